from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.bodies import csv_body, flat_buffer
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, ServerError
from modelbuild_runtime.signature import TensorSpec
from runtime.contracts import ALL, MIXED, OPEN, RECORD, SCALAR, TENSOR


def columns(body: bytes, contract, header=""):
    table = csv_body.read(body, contract, header)
    tensors = {
        name: (one.datatype, one.shape, np.ravel(one.data).tolist()) for name, one in table.payload.tensors.items()
    }
    return tensors, table.header


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("body", [b"1,2,3\n4,5,6", b"1,2,3\r\n4,5,6\r\n", b" 1, 2,3\n4,5,6\n\n"])
def test_numbers_for_one_tensor(body, fast, monkeypatch):
    monkeypatch.setattr(flat_buffer, "HERE", fast)
    assert columns(body, TENSOR) == ({"x": ("FP32", (2, 3), [1, 2, 3, 4, 5, 6])}, False)


def test_cells_that_json_would_not_read():
    tensors, _ = columns(b'+1,.5,"3"\nnan,inf,\n', TENSOR)
    assert tensors["x"][2][:3] == [1, 0.5, 3]
    nan, infinite, empty = tensors["x"][2][3:]
    assert math.isnan(nan)
    assert infinite == math.inf
    assert empty is None


def test_a_header_is_known_by_the_contract_s_names():
    body = b"job,age,married\ncook,1,true\n"
    expected = {"age": ("INT64", (1,), [1]), "job": ("BYTES", (1,), ["cook"]), "married": ("BOOL", (1,), [True])}
    assert columns(body, RECORD) == (expected, True)
    assert columns(b"1,cook,true\n", RECORD) == (expected, False)
    assert columns(b"\xef\xbb\xbf" + body, RECORD) == (expected, True)


def test_the_content_type_overrides_what_the_first_line_looks_like():
    assert columns(b"x\n1\n", SCALAR)[1] is True
    assert columns(b"text\ntext\n", Contract((TensorSpec("text", "BYTES", (-1,)),)), "absent")[0]["text"][1] == (2,)
    assert columns(b"a,b,c\n1,2,3\n", TENSOR, "present") == ({"x": ("FP32", (1, 3), [1, 2, 3])}, True)
    with pytest.raises(InvalidInput, match="header='maybe'"):
        csv_body.read(b"1\n", SCALAR, "maybe")


def test_an_input_of_several_values_takes_several_cells():
    assert columns(b"1,2,3\n4,5,6\n", MIXED)[0] == {"v": ("FP32", (2, 2), [1, 2, 4, 5]), "n": ("INT32", (2,), [3, 6])}


def test_a_row_of_free_length_and_one_of_several_dimensions():
    free = Contract((TensorSpec("x", "INT64", (-1, -1)),))
    assert columns(b"1,2,3\n", free)[0]["x"][1] == (1, 3)
    image = Contract((TensorSpec("x", "UINT8", (-1, 2, 2)),))
    assert columns(b"1,2,3,4\n", image)[0]["x"][1] == (1, 2, 2)


@pytest.mark.parametrize("body", [b"1,2", b"1,2,3", b"1,2,3\n4,5,6", b","])
def test_a_row_of_free_length_beside_another_input_is_refused(body):
    contract = Contract((TensorSpec("a", "FP64", (-1,)), TensorSpec("b", "FP64", (-1, -1)), *SCALAR.inputs))
    with pytest.raises(InvalidInput, match="b may have any number of values"):
        csv_body.read(body, contract, "absent")


def test_quoted_cells_may_hold_anything():
    tensors, _ = columns(b'1,"a, ""b""\nc",\n', RECORD)
    assert tensors["job"][2] == ['a, "b"\nc']


def test_an_open_contract_gets_rows():
    assert csv_body.read(b"1,x,0.5\n", OPEN).payload.items == [[1, "x", 0.5]]
    assert csv_body.read(b"a,b\n1,2\n", OPEN, "present").payload.items == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("body", "contract", "header", "words"),
    [
        (b"", TENSOR, "", "empty"),
        (b"\n\n", TENSOR, "", "empty"),
        (b"x\n", SCALAR, "", "no row"),
        (b"1,2,3\n1,2\n", TENSOR, "", "line 2 has 2 cells"),
        (b"age,job,married\n1,a\n", RECORD, "", "line 2 has 2 cells"),
        (b"1,2\n", RECORD, "", "3 cells"),
        (b"a,b,c\n1,2,3\n", TENSOR, "", "header=present"),
        (b"age,age,job\n1,2,3\n", RECORD, "present", "twice"),
        (b"x,x,true\n", RECORD, "absent", "INT64"),
        (b"1,a,perhaps\n", RECORD, "", "BOOL"),
        (b"1.5,a,true\n", RECORD, "", "INT64"),
        (b"1_0,2,3\n", TENSOR, "", "FP32"),
        (b'"1,2,3\n', TENSOR, "", "not CSV"),
        (b"\xff", TENSOR, "", "UTF-8"),
        (b"1,[2],3\n", TENSOR, "", "FP32"),
        (b"1,2,3],[4,5,6\n", TENSOR, "", "cells"),
    ],
)
def test_what_is_refused(body, contract, header, words):
    with pytest.raises(InvalidInput, match=words):
        csv_body.read(body, contract, header)


@pytest.mark.parametrize("name", ALL)
@given(
    body=st.binary(max_size=30) | st.text("1.5-e,\n\"a[] 'x\r", max_size=30).map(str.encode),
    header=st.sampled_from(["", "present", "absent"]),
)
def test_anything_is_read_or_refused(name, body, header):
    try:
        csv_body.read(body, ALL[name], header)
    except ServerError as error:
        assert error.status == 400  # noqa: PT017


@pytest.mark.parametrize(
    ("start", "headed"),
    [
        (b"b,a\n1,2\n", True),
        (b'\xef\xbb\xbf"a", b\r\n1,2\r\n', True),
        (b"a\n1\n", True),  # b may be left out
        (b"a,c\n1,2\n", False),
        (b"1,2\n", False),
        (b"b\nx\n", False),
        (b"\xff\n", False),
        (b'"a\n', False),
        (b"", False),
    ],
)
def test_a_beginning_shows_whether_there_is_a_header(start, headed):
    contract = Contract((TensorSpec("a", "FP64", (-1,)), TensorSpec("b", "BYTES", (-1,), optional=True)))
    assert csv_body.has_header(start, contract) == headed
