from __future__ import annotations

import pytest

from modelbuild_runtime.bodies import frames
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec

MATRIX = Contract((TensorSpec("x", "FP32", (-1, 2)),))
TABLE = Contract((TensorSpec("a", "FP32", (-1,)), TensorSpec("b", "BYTES", (-1,), optional=True)))
OPEN = Contract(open=True)


@pytest.mark.parametrize(
    ("contract", "frame", "items"),
    [
        (MATRIX, {"columns": ["u", "v"], "index": ["i"], "data": [[1, 2]]}, [[1, 2]]),
        (MATRIX, {"columns": ["x"], "data": [[[1, 2]]]}, [{"x": [1, 2]}]),
        (MATRIX, {"columns": [0, 1], "data": [[1, 2]]}, [[1, 2]]),
        (TABLE, {"columns": ["b", "more", "a"], "data": [["t", None, 1]]}, [{"b": "t", "a": 1}]),
        (TABLE, {"columns": ["a"], "data": [[1], [2]]}, [{"a": 1}, {"a": 2}]),
        (TABLE, {"data": [[1, "t"]]}, [[1, "t"]]),
        (OPEN, {"columns": ["u", "v"], "data": [[1, 2]]}, [{"u": 1, "v": 2}]),
        (OPEN, {"data": []}, []),
    ],
)
def test_split(contract, frame, items):
    assert frames.split(frame, contract, "f").items == items


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ([], "is no object"),
        ({"columns": []}, "has the fields 'columns'"),
        ({"data": 5}, "must be a list of rows"),
        ({"data": [[1]], "index": [0, 1]}, "must be a list with one entry a row"),
        ({"data": [[1]], "index": 5}, "must be a list with one entry a row"),
        ({"data": [[1]], "columns": "a"}, "must be a list of names"),
        ({"data": [[1]], "columns": [["a"]]}, "must be a list of names"),
        ({"data": [5], "columns": ["a"]}, "row 0 of 'f' must be a list of 1 values"),
        ({"data": [["t"]], "columns": ["b"]}, r"Model is missing inputs \['a'\]"),
        ({"data": [[1, 1]], "columns": ["a", "a"]}, "is there twice"),
    ],
)
def test_what_is_no_frame_is_told(frame, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        frames.split(frame, TABLE, "f")


@pytest.mark.parametrize(
    ("contract", "items", "rows"),
    [
        (MATRIX, [{"u": 1, "v": 2}, {"v": 4, "u": 3}], [[1, 2], [3, 4]]),
        (MATRIX, [{"x": [1, 2]}], [{"x": [1, 2]}]),
        (TABLE, [{"a": 1, "more": 2}, {"a": 3, "b": "t"}], [{"a": 1}, {"a": 3, "b": "t"}]),
        (OPEN, [{"u": 1}, {"v": 2}], [{"u": 1}, {"v": 2}]),
        (TABLE, [], []),
        (MATRIX, [], []),
    ],
)
def test_records(contract, items, rows):
    assert frames.records(items, contract, "f").items == rows


@pytest.mark.parametrize("items", [{"a": 1}, [1], [{"u": 1, "v": 2}, {"u": 1}]])
def test_what_are_no_records_is_told(items):
    with pytest.raises(InvalidInput, match="'f'"):
        frames.records(items, MATRIX, "f")
