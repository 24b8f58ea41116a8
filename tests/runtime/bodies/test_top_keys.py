from __future__ import annotations

import json

import pytest

from modelbuild_runtime.bodies.top_keys import SEEN, first_key, top_keys


@pytest.mark.parametrize(
    ("start", "keys"),
    [
        (b'{"a": 1, "b": [2]}', {b"a", b"b"}),
        (b' \n{ "a" : {"inner": 1} , "b":2}', {b"a", b"b"}),
        (b'{"a": "inputs\\": ", "b": "}"}', {b"a", b"b"}),
        (b'{"a": ["b", {"c": 1}], "d": 1} {"e": 1}', {b"a", b"d"}),
        (b'{"a": [1, 2', {b"a"}),
        (b'{"a": "never ends, \\"inputs\\": 1', {b"a"}),
        (b'[{"a": 1}]', set()),
        (b'"a": 1', set()),
        (b"", set()),
        (b"{}", set()),
    ],
)
def test_the_names_at_the_top(start, keys):
    assert top_keys(start) == keys


def test_only_the_beginning_is_looked_at():
    late = json.dumps({"a": "x" * SEEN, "b": 1}).encode()
    assert b"b" not in top_keys(late[:SEEN])
    assert top_keys(json.dumps({"a": "x" * 100, "b": 1}).encode()) == {b"a", b"b"}


@pytest.mark.parametrize(("start", "key"), [(b'{"a":1', b"a"), (b' {\n"b" :', b"b"), (b'["a"', b""), (b"", b"")])
def test_the_first_name(start, key):
    assert first_key(start) == key
