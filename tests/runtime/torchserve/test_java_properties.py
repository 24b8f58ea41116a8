"""The cases of the documentation of java.util.Properties.load."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.torchserve.java_properties import read_properties


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=1\nb: 2\nc 3\n  d\t=\t4  ", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("# a=1\n! b=2\n\n   \n#c", {}),
        ("Truth = Beauty\n Truth:Beauty\nTruth    :Beauty", {"Truth": "Beauty"}),
        ("a=1\na=2", {"a": "2"}),
        ("cheeses", {"cheeses": ""}),
        ("a==b=c", {"a": "=b=c"}),
        ("url=http://127.0.0.1:8080", {"url": "http://127.0.0.1:8080"}),
        ("fruits  apple, banana, \\\n        cherry", {"fruits": "apple, banana, cherry"}),
        ("a=1\\\n# no comment", {"a": "1# no comment"}),
        ("a=c:\\\\\nb=2", {"a": "c:\\", "b": "2"}),
        ("a\\:b\\=\\ c=1", {"a:b= c": "1"}),
        ("a=\\u00e9\\tx\\ny\\q", {"a": "é\tx\nyq"}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1\\", {"a": "1"}),
        ("a\fb\x0bc\u2028d=1", {"a": "b\x0bc\u2028d=1"}),
        ("#a\\\nb=1", {"b": "1"}),
    ],
)
def test_how_java_reads_them(text, expected):
    assert read_properties(text) == expected


@given(st.text(alphabet="ab =:\\\n#!\tu0é", max_size=40))
def test_any_text_is_read(text):
    assert all(isinstance(value, str) for value in read_properties(text).values())
