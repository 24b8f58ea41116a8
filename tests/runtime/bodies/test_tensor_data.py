from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from modelbuild_runtime.bodies.tensor_data import check_count, check_shape, flatten
from modelbuild_runtime.errors import InvalidInput


@given(arrays(np.int8, array_shapes(max_dims=5, max_side=4)))
def test_nested_lists_become_one(array):
    assert flatten("x", array.tolist()) == (array.shape, array.ravel().tolist())


@pytest.mark.parametrize(("data", "shape"), [([], (0,)), ([[], []], (2, 0)), ([[[]]], (1, 1, 0)), (["ab"], (1,))])
def test_empty_lists_and_text_are_told_apart(data, shape):
    assert flatten("x", data)[0] == shape


@pytest.mark.parametrize("data", [[[1], [2, 3]], [[1], 2], [[1, 2], "ab"], [[[1]], [[]]], [[1], {}]])
def test_ragged_lists_are_refused_by_name(data):
    with pytest.raises(InvalidInput, match="'x'") as caught:
        flatten("x", data)
    assert caught.value.field == "x"


def test_a_single_value_before_lists_is_left_to_who_judges_values():
    assert flatten("x", [1, [2]]) == ((2,), [1, [2]])


def test_dimensions_are_limited():
    data: list = [1]
    for _ in range(40):
        data = [data]
    with pytest.raises(InvalidInput, match="32 dimensions"):
        flatten("x", data)


@pytest.mark.parametrize("shape", [(1,) * 33, (0, 2**40, 2), (2**41,), (2**20, 0, 2**21)])
def test_shapes_that_no_array_can_have(shape):
    with pytest.raises(InvalidInput, match="'x'"):
        check_shape("x", shape)


@pytest.mark.parametrize("shape", [(), (0,), (0, 2**40), (1,) * 32, (2**40,)])
def test_shapes_that_an_array_could_have(shape):
    check_shape("x", shape)


def test_the_count_is_that_of_the_shape():
    check_count("x", (2, 3), 6)
    check_count("x", (), 1)
    with pytest.raises(InvalidInput, match="6 elements, and the data has 5"):
        check_count("x", (2, 3), 5)


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_is_nested_is_flattened_or_refused(value):
    data = value if isinstance(value, list) else [value]
    try:
        shape, flat = flatten("x", data)
    except InvalidInput:
        return
    assert len(flat) == int(np.prod(shape))
