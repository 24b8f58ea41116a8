from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from modelbuild_runtime.errors import InvalidInput, TooLarge
from modelbuild_runtime.open_inference.binary_tensor import read, write
from modelbuild_runtime.tensor import NUMPY

NUMBERS = [name for name in NUMPY if name != "BYTES"]


@pytest.mark.parametrize("datatype", NUMBERS)
@given(data=st.data())
def test_numbers_come_back_as_they_were(datatype, data):
    array = data.draw(arrays(NUMPY[datatype], array_shapes(min_dims=0, min_side=0, max_side=3)))
    found = read("x", datatype, array.shape, memoryview(bytes(write(array))), 1000)
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)


def test_the_layout_is_little_endian_row_by_row():
    assert bytes(write(np.array([[1, 2], [3, 4]], np.int16).T)) == b"\1\0\3\0\2\0\4\0"
    assert bytes(write(np.array([True, False]))) == b"\1\0"
    assert bytes(write(np.array(["ü", b"\xff", None, 3], object))) == b"\2\0\0\0\xc3\xbc\1\0\0\0\xff\0\0\0\0\1\0\0\0003"
    assert bytes(write(np.array(["ab"]))) == b"\2\0\0\0ab"


def test_numbers_are_copied_only_where_they_lie_crooked():
    body = bytearray(b"." * 4 + np.arange(6, dtype="<f8").tobytes())
    base = np.frombuffer(body, np.uint8).ctypes.data
    for start in range(5):
        view = memoryview(body)[start : start + 40]
        found = read("x", "FP64", (5,), view, 0)
        assert found.flags.aligned
        assert np.shares_memory(found, np.frombuffer(body, np.uint8)) == ((base + start) % 8 == 0)


@given(st.lists(st.binary(max_size=5), max_size=5))
def test_text_comes_back_as_it_was(values):
    array = np.empty(len(values), object)
    array[:] = values
    found = read("x", "BYTES", (len(values), 1), memoryview(bytes(write(array))), 1000)
    assert found.ravel().tolist() == values
    assert found.shape == (len(values), 1)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "words"),
    [
        ("FP32", (2,), b"\0" * 7, "takes 8 bytes, got 7"),
        ("FP32", (2,), b"\0" * 12, "takes 8 bytes, got 12"),
        ("INT8", (1 << 40, 1 << 40), b"\0", "takes 12089"),
        ("BOOL", (2,), b"\1\2", "other than 0 and 1"),
        ("BYTES", (1,), b"\1\0\0", "element 0 is cut short"),
        ("BYTES", (2,), b"\0\0\0\0\2\0\0\0a", "element 1 is cut short"),
        ("BYTES", (1,), b"\xff\xff\xff\xff", "element 0 is cut short"),
        ("BYTES", (2,), b"\0\0\0\0", "2 elements, and the data has 1"),
    ],
)
def test_bytes_that_do_not_fit(datatype, shape, data, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        read("x", datatype, shape, memoryview(data), 1000)
    assert caught.value.field == "x"


@given(st.sampled_from(list(NUMPY)), st.lists(st.integers(0, 3), max_size=3), st.binary(max_size=20))
def test_anything_is_read_or_refused(datatype, shape, data):
    with suppress(InvalidInput):
        assert read("x", datatype, tuple(shape), memoryview(data), 100).shape == tuple(shape)


@pytest.mark.parametrize("shape", [(1000,), (1,)])
def test_no_more_texts_than_allowed(shape):
    data = memoryview(b"\0\0\0\0" * 1000)
    with pytest.raises((TooLarge, InvalidInput)):
        read("x", "BYTES", shape, data, 999)
    assert read("x", "BYTES", (1000,), data, 1000).shape == (1000,)
