from __future__ import annotations

import pytest

from modelbuild_runtime.bodies.cell import guess, value
from modelbuild_runtime.errors import InvalidInput


@pytest.mark.parametrize(
    ("datatype", "text", "expected"),
    [
        ("INT64", " 12 ", 12),
        ("INT64", "-3.0", -3),
        ("UINT8", "1e2", 100),
        ("FP32", "1e-3", 0.001),
        ("FP64", "inf", float("inf")),
        ("BOOL", "Yes", True),
        ("BOOL", "0", False),
        ("BYTES", " as it is ", " as it is "),
        ("BYTES", "", ""),
        ("INT64", " ", None),
        ("BOOL", "", None),
    ],
)
def test_text_becomes_the_datatype_s_value(datatype, text, expected):
    assert value("x", datatype, text) == expected


@pytest.mark.parametrize(
    ("datatype", "text"),
    [
        ("INT64", "1.5"),
        ("INT64", "1_000"),
        ("INT64", "\u0661"),
        ("INT64", "nan"),
        ("FP32", "1,5"),
        ("FP32", "1_0"),
        ("BOOL", "2"),
    ],
)
def test_what_it_cannot_be_is_refused_by_name(datatype, text):
    with pytest.raises(InvalidInput, match=f"'x' is {datatype}") as caught:
        value("x", datatype, text)
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    ("text", "expected"), [("7", 7), ("7.5", 7.5), ("1e3", 1000), ("a", "a"), ("", ""), ("1_0", "1_0")]
)
def test_a_guess(text, expected):
    assert guess(text) == expected
