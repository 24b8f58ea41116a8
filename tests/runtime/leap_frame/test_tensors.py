from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.fields import fields_of
from modelbuild_runtime.dataplane.tensors import check_tensors
from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.leap_frame.frame import (
    BASIC,
    BOOLEAN,
    BYTE_STRING,
    DOUBLE,
    FLOAT,
    LIST,
    LONG,
    MAP,
    SHORT,
    STRING,
    TENSOR,
    Column,
    Frame,
    Kind,
    LeapTensor,
)
from modelbuild_runtime.leap_frame.tensors import select, to_column, to_tensors, with_outputs
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec

WIDE = Contract((TensorSpec("x", "FP32", (-1, 2)),))


def frame(*columns: Column) -> Frame:
    return Frame(list(columns), len(columns[0].values))


def flat(column: Column, contract: Contract, most: int = 100) -> tuple[tuple[int, ...], list]:
    tensor = to_tensors(frame(column), contract, most)[column.name]
    return tuple(tensor.shape), list(tensor.data)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind(LIST, DOUBLE), [[1.0, 2.0], [3.0, 4.0]]),
        (Kind(TENSOR, DOUBLE), [LeapTensor([1.0, 2.0], (2,)), LeapTensor([3.0, 4.0], (2,))]),
        (Kind(TENSOR, DOUBLE), [LeapTensor([2.0, 1.0], (2,), [[1], [0]]), LeapTensor([3.0, 4.0], (2,))]),
    ],
)
def test_lists_and_tensors_become_rows_of_the_contract_s_datatype(kind, values):
    column = Column("x", kind, values)
    assert flat(column, WIDE) == ((2, 2), [1.0, 2.0, 3.0, 4.0])
    inputs, rows, _ = check_tensors(fields_of(WIDE), to_tensors(frame(column), WIDE, 100))
    assert (rows, inputs["x"]) == (2, [1.0, 2.0, 3.0, 4.0])


def test_what_a_sparse_tensor_leaves_out_is_nothing():
    contract = Contract((TensorSpec("x", "FP64", (-1, 2, 3)),))
    column = Column("x", Kind(TENSOR, DOUBLE), [LeapTensor([5.0, 7.0], (2, 3), [[1, 0], [0, 2]])])
    assert flat(column, contract) == ((1, 2, 3), [0.0, 0.0, 7.0, 5.0, 0.0, 0.0])


def test_columns_that_the_model_does_not_know_are_left_aside():
    extra = Column("id", Kind(MAP, STRING, key=STRING), [{}])
    assert set(to_tensors(frame(Column("x", Kind(LIST, DOUBLE), [[1.0, 2.0]]), extra), WIDE, 9)) == {"x"}


def test_an_open_contract_gets_all_of_them():
    columns = [Column("a", Kind(BASIC, LONG), [1 << 60]), Column("b", Kind(BASIC, BYTE_STRING), [b"\xff"])]
    found = to_tensors(frame(*columns), Contract(open=True), 9)
    assert {name: (tensor.datatype, tensor.shape, tensor.data) for name, tensor in found.items()} == {
        "a": ("INT64", (1,), [1 << 60]),
        "b": ("BYTES", (1,), [b"\xff"]),
    }
    with pytest.raises(InvalidInput, match="a map is no input"):
        to_tensors(frame(Column("m", Kind(MAP, LONG, key=STRING), [{}])), Contract(open=True), 9)


def test_whole_fractions_are_whole_numbers_where_those_are_wanted():
    contract = Contract((TensorSpec("age", "INT64", (-1,)),))
    assert flat(Column("age", Kind(BASIC, DOUBLE), [4.0, 4.5]), contract) == ((2,), [4, 4.5])


def test_a_model_without_rows_takes_one():
    contract = Contract((TensorSpec("m", "INT32", (2,)),), batched=False)
    column = Column("m", Kind(LIST, LONG), [[1, 2]])
    assert flat(column, contract) == ((2,), [1, 2])
    with pytest.raises(InvalidInput, match="one row"):
        to_tensors(frame(Column("m", Kind(LIST, LONG), [[1, 2], [1, 2]])), contract, 9)


@pytest.mark.parametrize(
    ("kind", "values", "complaint"),
    [
        (Kind(LIST, DOUBLE), [[1.0, 2.0], None], "row 1 has no list"),
        (Kind(LIST, DOUBLE), [[1.0, 2.0], [1.0]], "differ in their number"),
        (Kind(TENSOR, DOUBLE), [LeapTensor([1.0], (1,)), LeapTensor([1.0], (1, 1))], "differ in their number"),
        (Kind(MAP, DOUBLE, key=STRING), [{}], "a map is no input"),
        (Kind(LIST, DOUBLE), [], "no row"),
    ],
)
def test_columns_that_can_be_no_tensor(kind, values, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        to_tensors(frame(Column("x", kind, values)), WIDE, 100)


@pytest.mark.parametrize("sizes", [(1 << 40,), (1 << 31, 1 << 31), (50, 51)])
def test_a_sparse_tensor_of_huge_size_is_refused_before_it_is_filled(sizes):
    column = Column("x", Kind(TENSOR, DOUBLE), [LeapTensor([], sizes, [])])
    tracemalloc.start()
    with pytest.raises(TooLarge):
        to_tensors(frame(column), WIDE, 2500)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_outputs_come_after_the_columns_and_in_place_of_those_they_replace():
    before = frame(Column("y", Kind(BASIC, DOUBLE), [0.0]), Column("x", Kind(BASIC, DOUBLE), [1.0]))
    found = with_outputs(before, Response(1, {"z": np.array([2]), "y": np.array([3.0])}), Contract())
    assert [(column.name, column.values) for column in found.columns] == [("x", [1.0]), ("z", [2]), ("y", [3.0])]


def test_what_a_handler_answers_becomes_columns():
    found = with_outputs(frame(Column("x", Kind(BASIC, DOUBLE), [1.0])), Response(1, rows=[{"a": 1, "b": ["c"]}]), WIDE)
    assert [(column.name, column.kind.base, column.values) for column in found.columns[1:]] == [
        ("a", LONG, [1]),
        ("b", STRING, ['["c"]']),
    ]


@pytest.mark.parametrize(
    ("array", "base", "values"),
    [
        (np.array([1.5], np.float16), FLOAT, [1.5]),
        (np.array([1.5], np.float32), FLOAT, [1.5]),
        (np.array([1.5]), DOUBLE, [1.5]),
        (np.array([True]), BOOLEAN, [True]),
        (np.array([255], np.uint8), SHORT, [255]),
        (np.array([1 << 31], np.uint32), LONG, [1 << 31]),
        (np.array([5], np.uint64), LONG, [5]),
        (np.array([1 << 63], np.uint64), DOUBLE, [float(1 << 63)]),
        (np.array(["a", b"b"], object), STRING, ["a", "b"]),
        (np.array(["ä", b"\xff"], object), BYTE_STRING, ["ä".encode(), b"\xff"]),
        (np.array(["ab"]), STRING, ["ab"]),
        (np.array([b"ab"]), STRING, ["ab"]),
        (np.array(["2024-01-01"], "datetime64[D]"), STRING, ["2024-01-01"]),
        (np.array([], np.int64), LONG, []),
    ],
)
def test_every_array_has_a_type(array, base, values):
    column = to_column("y", array)
    assert (column.kind, column.values) == (Kind(BASIC, base, nullable=False), values)


def test_text_may_be_missing():
    column = to_column("y", np.array(["a", None], object))
    assert (column.kind.nullable, column.values) == (True, ["a", None])


def test_an_array_of_more_axes_is_a_tensor_a_row():
    column = to_column("y", np.arange(4).reshape(2, 1, 2))
    assert column.kind == Kind(TENSOR, LONG, nullable=False, dimensions=(1, 2))
    assert [(value.values, value.dimensions) for value in column.values] == [([0, 1], (1, 2)), ([2, 3], (1, 2))]
    assert to_column("y", np.zeros((2, 0))).values[1].values == []


def test_columns_are_selected_in_the_order_asked():
    whole = frame(Column("a", Kind(BASIC, DOUBLE), [0.0]), Column("b", Kind(BASIC, DOUBLE), [1.0]))
    assert [one.name for one in select(whole, ["b", "c", "a", "b"], strict=False).columns] == ["b", "a"]
    with pytest.raises(InvalidInput, match="no column 'c'"):
        select(whole, ["b", "c"], strict=True)
