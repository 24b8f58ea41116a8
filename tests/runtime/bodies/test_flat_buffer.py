from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.bodies import flat_buffer


def read(value, datatype="FP32"):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return flat_buffer.numbers(flat_buffer.document(text), datatype)


@pytest.mark.parametrize(
    ("value", "datatype", "shape"),
    [([1, 2.5], "FP64", (2,)), ([[1, 2], [3, 4]], "FP32", (2, 2)), ([[[1]], [[255]]], "UINT8", (2, 1, 1))],
)
def test_numbers_of_any_depth(value, datatype, shape):
    found, flat = read(value, datatype)
    assert found == shape
    assert flat.tolist() == np.ravel(value).tolist()
    assert flat.dtype == flat_buffer.NUMPY[datatype]


@pytest.mark.parametrize(("value", "shape"), [([], (0,)), ([[], []], (2, 0))])
def test_nothing(value, shape):
    found, flat = read(value)
    assert found == shape
    assert flat.size == 0


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        ([[1, 2], [3]], "FP32"),
        ([[1], 2], "FP32"),
        ([[1, [2, 3]], [4, 5]], "FP32"),
        ([1, True], "FP32"),
        ([1, None], "FP32"),
        ([1, "2"], "FP32"),
        ([{"a": 1}], "FP32"),
        ([1.5], "INT64"),
        ([256], "UINT8"),
        ([-1], "UINT8"),
        ([-129], "INT8"),
        ([2**63], "INT64"),
        ([True], "BOOL"),
        (["a"], "BYTES"),
        ([1e39], "FP32"),
        ([7e4], "FP16"),
        (b"[1e400]", "FP64"),
    ],
)
def test_what_it_does_not_judge_is_left_to_the_ordinary_way(value, datatype):
    document = flat_buffer.document(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert document is None or flat_buffer.numbers(document, datatype) is None


def test_an_array_in_a_number_s_place_shows_in_the_number_of_brackets():
    text = b"[[1,2],[[3],4]]"
    shape, _ = read(text)
    assert shape == (2, 2)
    assert not flat_buffer.holds_arrays(text, flat_buffer.arrays_in(shape))
    assert flat_buffer.holds_arrays(b"[[1,2],[3,4]]", flat_buffer.arrays_in(shape))


@pytest.mark.parametrize("text", [b"", b"[1", b"\xff", b"[NaN]", b"[" * 5000])
def test_what_is_no_json_is_no_document(text):
    assert flat_buffer.document(text) is None


def test_without_simdjson_nothing_is_read_here(monkeypatch):
    monkeypatch.setattr(flat_buffer, "HERE", False)
    assert flat_buffer.document(b"[1]") is None
    assert not flat_buffer.is_array([1])


@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1)
)
def test_floats_arrive_as_they_were(rows):
    shape, flat = read(rows)
    assert shape == (len(rows), 2)
    assert flat.tolist() == [value for row in rows for value in row]
