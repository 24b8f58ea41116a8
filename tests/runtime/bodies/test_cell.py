from __future__ import annotations

import math
import random

import pytest

from modelbuild_runtime.bodies.cell import any_missing, guess, missing, value, values
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


TEXTS = [
    *(
        "1",
        "0",
        "-0",
        "-0.0",
        "007",
        "+5",
        " 1",
        "1 ",
        "3.0",
        "3.5",
        "1e3",
        "1e400",
        "1e-400",
        ".5",
        "5.",
        "0x1",
        "1_0",
    ),
    *("9007199254740993", "9007199254740993.0", "9223372036854775808", "1" * 400, "1" * 5000, "5e-324", "--1", "+-5"),
    *("nan", "-nan", "NaN", "na", "NULL", "null", "", "  ", "inf", "-Infinity", "true", "TRUE", "no", "t", "F", "on"),
    *("hello", "\xe9", "\u0661", "1\xa0", "\x1c1"),
]


def outcome(read, *arguments):
    """What it makes of them, so that 1 is not 1.0, nor 0.0 -0.0."""
    try:
        return repr(read(*arguments))
    except InvalidInput as error:
        return error.message


def one_by_one(datatype: str, texts: list[str], optional: bool) -> list:
    return [None if optional and missing(datatype, text) else value("x", datatype, text) for text in texts]


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "INT64", "UINT64", "BOOL", "BYTES"])
@pytest.mark.parametrize("optional", [False, True])
def test_a_column_is_read_as_its_cells_are_one_by_one(datatype, optional):
    source = random.Random(datatype + str(optional))
    columns = [[text] for text in TEXTS]
    columns += [[source.choice(TEXTS), "2", source.choice(["3", "4.0", "yes"])] for _ in range(300)]
    columns += [[f"{source.uniform(-1, 1) * 10.0 ** source.randint(-300, 300)!r}"] * 2 for _ in range(300)]
    for texts in columns:
        wanted = outcome(one_by_one, datatype, texts, optional)
        assert outcome(lambda texts: values("x", datatype, texts, optional=optional), texts) == wanted, texts
        assert any_missing(datatype, texts) == any(missing(datatype, text) for text in texts), texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((" 1 ", 1), ("-0", 0), ("007", 7), ("3.0", 3), ("3.5", 3.5), ("1e3", 1000), ("1e400", math.inf)),
        *(("9007199254740993", 9007199254740993), ("1" * 400, int("1" * 400)), ("1" * 5000, math.inf)),
        *((" nan", math.nan), ("-Infinity", -math.inf), ("+-5", "+-5"), ("1_0", "1_0"), ("\u0661", "\u0661")),
        *((" hello", " hello"), ("na", "na"), ("", ""), (" ", " "), ("true", "true"), ("0x1", "0x1")),
    ],
)
def test_what_nobody_knows_is_a_number_where_it_reads_like_one(text, expected):
    assert repr(guess(text)) == repr(expected)
