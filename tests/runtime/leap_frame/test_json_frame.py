from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.leap_frame import json_frame
from modelbuild_runtime.leap_frame.json_frame import read, write
from runtime.leap_frame.frames import frames, plain


def frame(kind: Any, *values: Any) -> dict[str, Any]:
    return {"schema": {"fields": [{"name": "x", "type": kind}]}, "rows": [[value] for value in values]}


def one(kind: Any, value: Any) -> Any:
    return read(frame(kind, value)).columns[0].values[0]


@given(frames())
def test_a_frame_comes_back_as_it_was(made):
    assert plain(read(json.loads(json_answer.encode(write(made))))) == plain(made)


TYPES = [
    ("double", "double"),
    ("integer", "integer"),
    ({"type": "basic", "base": "integer", "isNullable": True}, "integer"),
    ({"type": "basic", "base": "integer", "isNullable": False},) * 2,
    ({"type": "list", "base": "int"},) * 2,
    ({"type": "map", "base": "byte_string", "key": "string"},) * 2,
    ({"type": "tensor", "base": "int", "dimensions": [2, -1], "isNullable": False},) * 2,
    ({"type": "tensor", "base": "int", "dimensions": []},) * 2,
]


@pytest.mark.parametrize(("given_as", "written"), TYPES)
def test_types_as_mleap_writes_them(given_as, written):
    found = write(read(frame(given_as)))["schema"]["fields"]
    assert json.loads(json.dumps(found)) == [{"name": "x", "type": written}]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("double", 1, 1.0),
        ("double", None, None),
        ("float", 3.5, 3.5),
        ("long", 2.0, 2),
        ("long", -(1 << 63), -(1 << 63)),
        ("byte", 127, 127),
        ("byte_string", "/w==", b"\xff"),
        ("string", "", ""),
        ("boolean", True, True),
        ({"type": "list", "base": "byte_string"}, ["", "aGk="], [b"", b"hi"]),
        ({"type": "map", "key": "string", "base": "short"}, {"a": 1}, {"a": 1}),
    ],
)
def test_values(kind, value, expected):
    found = one(kind, value)
    assert found == expected
    assert type(found) is type(expected)


def test_a_null_where_a_number_may_not_be_missing_is_nan():
    assert math.isnan(one({"type": "basic", "base": "double", "isNullable": False}, None))
    assert math.isnan(one({"type": "list", "base": "float"}, [None])[0])
    assert math.isnan(one({"type": "tensor", "base": "double"}, {"values": [None], "dimensions": [1]}).values[0])


def test_numbers_that_are_none_are_taken_and_written_as_null():
    found = read(frame("double", float("nan"), float("inf")))
    assert json.loads(json_answer.encode(write(found)))["rows"] == [[None], [None]]


TENSOR = {"type": "tensor", "base": "double", "dimensions": [2, -1]}


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        ("double", "1", "expected double, got a string"),
        ("double", True, "expected double, got a boolean"),
        ("double", 10**400, "expected double, got 1000"),
        ("float", 1e300, "expected float, got 1e\\+300"),
        ("integer", 1.5, "expected int, got 1.5"),
        ("integer", 1 << 31, "expected int, got 2147483648"),
        ("integer", float("nan"), "expected int, got nan"),
        ("byte", -129, "expected byte, got -129"),
        ("string", 5, "expected string, got 5"),
        ("string", b"", "expected string"),
        ("boolean", 1, "expected boolean, got 1"),
        ("byte_string", "*", "not base64"),
        ("byte_string", 5, "not base64"),
        ({"type": "basic", "base": "integer", "isNullable": False}, None, "expected int, got null"),
        ({"type": "basic", "base": "string", "isNullable": False}, None, "expected string, got null"),
        ({"type": "list", "base": "int"}, {"a": 1}, "expected list, got an object"),
        ({"type": "list", "base": "int"}, [None], "expected int, got null"),
        ({"type": "list", "base": "int"}, [[1]], "expected int, got a list"),
        ({"type": "map", "key": "string", "base": "int"}, [], "expected map, got a list"),
        ({"type": "map", "key": "int", "base": "int"}, {"1": 1}, "keys of a map must be strings"),
        (TENSOR, [1], "expected tensor, got a list"),
        (TENSOR, {"values": [1]}, "must have values and dimensions"),
        (TENSOR, {"values": {}, "dimensions": [2, 0]}, "must have values and dimensions"),
        (TENSOR, {"values": [1], "dimensions": [2, 1]}, r"\[2, 1\] has 2 values, not 1"),
        (TENSOR, {"values": [], "dimensions": [3, 0]}, r"not of the schema's \[2, -1\]"),
        (TENSOR, {"values": [], "dimensions": [2]}, r"not of the schema's \[2, -1\]"),
        (TENSOR, {"values": [], "dimensions": [2, -1]}, "must be up to 32 sizes"),
        (TENSOR, {"values": [], "dimensions": [2, True]}, "must be up to 32 sizes"),
        (TENSOR, {"values": [], "dimensions": [2, 0.0]}, "must be up to 32 sizes"),
        ({"type": "tensor", "base": "int"}, {"values": [1], "dimensions": [1] * 33}, "must be up to 32 sizes"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": []}, "an index for each value"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": [1]}, "a list of lists"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": None}, "a list of lists"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": [[0]]}, "is outside"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": [[0, 1]]}, "is outside"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": [[-1, 0]]}, "is outside"),
        (TENSOR, {"values": [1], "dimensions": [2, 1], "indices": [["0", 0]]}, "is outside"),
    ],
)
def test_values_that_a_column_cannot_hold(kind, value, complaint):
    with pytest.raises(InvalidInput, match=complaint) as caught:
        one(kind, value)
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    "kind",
    [
        "int",
        "tensor",
        "",
        None,
        5,
        [],
        {},
        {"type": "row", "base": "int"},
        {"type": [], "base": "int"},
        {"type": "list"},
        {"type": "list", "base": "integer"},
        {"type": "list", "base": []},
        {"type": "basic", "base": "int", "isNullable": False},
        {"type": "list", "base": "int", "isNullable": "no"},
        {"type": "map", "base": "int"},
        {"type": "tensor", "base": "int", "dimensions": 3},
        {"type": "tensor", "base": "int", "dimensions": [1.5]},
        {"type": "tensor", "base": "int", "dimensions": [-2]},
    ],
)
def test_types_that_are_none(kind):
    with pytest.raises(InvalidInput, match="'x'"):
        read(frame(kind, 1))


FIELD = {"name": "x", "type": "double"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"rows": []},
        {"schema": None, "rows": []},
        {"schema": {}, "rows": []},
        {"schema": {"fields": {}}, "rows": []},
        {"schema": {"fields": [5]}, "rows": []},
        {"schema": {"fields": [{"type": "double"}]}, "rows": []},
        {"schema": {"fields": [{"name": 5, "type": "double"}]}, "rows": []},
        {"schema": {"fields": [FIELD, FIELD]}, "rows": []},
        {"schema": {"fields": [FIELD]}},
        {"schema": {"fields": [FIELD]}, "rows": {}},
        {"schema": {"fields": [FIELD]}, "rows": [1]},
        {"schema": {"fields": [FIELD]}, "rows": [[]]},
        {"schema": {"fields": [FIELD]}, "rows": [[1, 2]]},
    ],
)
def test_frames_that_are_none(value):
    with pytest.raises(InvalidInput):
        read(value)


BASES = ("boolean", "byte", "integer", "long", "float", "double", "string", "byte_string")
ODD = [True, 1, -128, 128, 1.0, 1.5, 1e39, 1 << 63, 10**400, math.inf, math.nan, "a", "aGk=", None, [], {}]


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("base", BASES)
def test_a_column_is_read_at_once_as_its_values_are_one_by_one(monkeypatch, base, nullable):
    kind = {"type": "basic", "base": base, "isNullable": nullable}
    lists = {"type": "list", "base": "int" if base == "integer" else base, "isNullable": nullable}
    for one, other in product(ODD, ODD):
        for made in (frame(kind, one, other), frame(lists, [one, other], [other]), frame(lists, [one], other)):
            found = []
            for way in (json_frame._as_one, lambda *_: None):
                with monkeypatch.context() as patch:
                    patch.setattr(json_frame, "_as_one", way)
                    try:
                        found.append(repr(read(made).columns[0].values))
                    except InvalidInput as error:
                        found.append(error.message)
            assert found[0] == found[1], made
