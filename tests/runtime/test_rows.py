from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.fields import fields_of
from modelbuild_runtime.dataplane.records import columns_from
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec

X = TensorSpec("x", "FP32", (-1, 3))
AGE = TensorSpec("age", "INT64", (-1,))
CITY = TensorSpec("city", "BYTES", (-1,))
NOTE = TensorSpec("note", "BYTES", (-1,), optional=True)
IMAGE = TensorSpec("image", "UINT8", (-1, 2, 2))
TOKENS = TensorSpec("tokens", "INT64", (-1, -1))


def columns(specs, items, *, batched=True):
    return columns_from(fields_of(Contract(tuple(specs), batched=batched)), items)


def test_objects_by_name():
    prepared = columns([AGE, CITY], [{"age": 1, "city": "a"}, {"city": "b", "age": 2}])
    assert prepared[0] == {"age": [1, 2], "city": ["a", "b"]}
    assert (prepared[1], prepared[2]) == (2, None)


def test_lists_in_the_order_of_the_fields():
    assert columns([AGE, CITY], [[1, "a"], [2, "b"]])[0] == {"age": [1, 2], "city": ["a", "b"]}


def test_one_tensor_takes_rows_without_names():
    assert columns([X], [[1, 2, 3], [4, 5, 6]])[0] == {"x": [1, 2, 3, 4, 5, 6]}
    assert columns([X], [{"x": [1, 2, 3]}])[0] == {"x": [1, 2, 3]}
    assert columns([AGE], [1, 2])[0] == {"age": [1, 2]}
    assert columns([AGE], [[1], [2]])[0] == {"age": [1, 2]}


def test_a_column_of_width_one_takes_values_and_lists():
    spec = TensorSpec("a", "FP32", (-1, 1))
    assert columns([spec], [1, [2]])[0] == {"a": [1, 2]}


def test_nested_lists_are_flattened():
    assert columns([IMAGE], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])[0] == {"image": [1, 2, 3, 4, 5, 6, 7, 8]}


def test_free_sizes_come_from_the_rows():
    prepared = columns([TOKENS], [[1, 2, 3], [4, 5, 6]])
    assert prepared[0]["tokens"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert prepared[2] != columns([TOKENS], [[1, 2]])[2]


def test_rows_may_have_no_values_where_sizes_are_free():
    assert columns([TOKENS], [{"tokens": []}, {"tokens": []}])[0]["tokens"].shape == (2, 0)
    assert columns([AGE, TOKENS], [[1, []]])[0]["tokens"].shape == (1, 0)
    with pytest.raises(InvalidInput, match="got an object"):
        columns([TOKENS], [{"tokens": [{}]}])


def test_optional_fields_may_be_missing_in_all_or_some_rows():
    assert set(columns([AGE, NOTE], [{"age": 1}])[0]) == {"age"}
    prepared = columns([AGE, NOTE], [{"age": 1}, {"age": 2, "note": "n"}])
    assert prepared[0]["note"].tolist() == [None, "n"]


def test_where_rows_are_not_counted_one_item_is_the_whole():
    specs = [TensorSpec("image", "UINT8", (2, 2))]
    prepared = columns(specs, [{"image": [[1, 2], [3, 4]]}], batched=False)
    assert prepared[0]["image"].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InvalidInput, match="one item"):
        columns(specs, [{"image": [[1, 2], [3, 4]]}] * 2, batched=False)


@pytest.mark.parametrize(
    "specs, items, field, complaint",
    [
        ([AGE], [], "", "no row"),
        ([AGE, CITY], [{"age": 1}], "city", "input 'city' is missing; expected 'age', 'city'"),
        ([AGE, CITY], [{"age": 1, "city": "a", "zip": 1}], "zip", "input 'zip' is unknown"),
        ([AGE, CITY], [{"age": 1, "town": "a"}], "town", "input 'town' is unknown"),
        ([AGE, CITY], [{"age": 1, "city": "a"}, {"age": 1}], "city", "row 1: input 'city' is missing"),
        ([AGE, CITY], [{"age": 1, "city": "a"}, {"age": 1, "town": "a"}], "town", "row 1: input 'town' is unknown"),
        ([AGE, CITY], [{"age": 1, "city": "a"}, [2, "b"]], "", "row 1 is a list of 2, expected an object"),
        ([AGE, CITY], [[1, "a"], {"age": 1, "city": "a"}], "", "row 1 is an object, expected a list of 2"),
        ([AGE, CITY], [[1, "a"], [2]], "", "row 1 is a list of 1, expected a list of 2 values"),
        ([AGE, CITY], [5], "", "row 0 is a value"),
        ([AGE, CITY], [None], "", "row 0 is a value"),
        ([X], [[1, 2, 3], [1, 2]], "x", r"row 1 has shape \[2\], expected shape \[3\]"),
        ([X], [1], "x", "row 0 has a single value"),
        ([AGE, CITY], [{"age": [1, 2], "city": "a"}], "age", "row 0 has shape .2., expected a single value"),
        ([IMAGE], [[[1, 2], [3]]], "image", "row 0 is ragged"),
        ([IMAGE], [[[1, 2], 3]], "image", "row 0 is ragged"),
        ([IMAGE], [[1, 2, 3, 4]], "image", r"row 0 has shape \[4\], expected shape \[2, 2\]"),
        ([TOKENS], [[1, 2], [1]], "tokens", "row 1 has another shape than row 0"),
        ([TOKENS], [[[1, 2]]], "tokens", r"row 0 has shape \[1, 2\]"),
    ],
)
def test_what_does_not_fit_is_named(specs, items, field, complaint):
    with pytest.raises(InvalidInput, match=complaint) as caught:
        columns(specs, items)
    assert caught.value.field == field


def test_a_value_of_the_wrong_type_is_found_for_free_sizes_at_once():
    with pytest.raises(InvalidInput, match="a whole number"):
        columns([TOKENS], [["a", "b"]])


def test_many_missing_names_do_not_flood_the_message():
    specs = [TensorSpec(f"column_{i}", "FP32", (-1,)) for i in range(500)]
    with pytest.raises(InvalidInput) as caught:
        columns(specs, [{}])
    assert len(caught.value.message) < 500
    assert "and 480 more" in caught.value.message


def test_scalars_of_numpy_are_not_made():
    prepared = columns([AGE], [{"age": 1}])
    assert not isinstance(prepared[0]["age"], np.ndarray)
