from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from modelbuild_runtime.bodies.npy_body import read
from modelbuild_runtime.errors import InvalidInput, ServerError, TooLarge


def npy(array, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["?", "u1", "<u2", ">i4", "<i8", "<f2", ">f4", "<f8"])
def test_numbers_of_either_byte_order(dtype):
    array = np.array([[0, 1], [1, 0]], dtype)
    found = read(npy(array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative


def test_the_order_of_fortran():
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(read(npy(array)), array)


@pytest.mark.parametrize("values", [["a", "grün"], [b"a", b"\xff"]])
def test_text_becomes_objects(values):
    found = read(npy(np.array(values)))
    assert found.dtype == object
    assert found.tolist() == values


def test_numbers_are_not_copied():
    body = npy(np.arange(4))
    assert not read(body).flags.owndata


def test_a_pickle_is_never_opened():
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    with pytest.raises(InvalidInput, match="unpickled"):
        read(npy(np.array([Bomb()], object), allow_pickle=True))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not in version 1 or 2"),
        (b"\x93NUMPY\x03\x00" + b"\x00" * 20, "not in version 1 or 2"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': open(1)", "not in version 1 or 2"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "more than 10000 bytes"),
        (npy(np.zeros(3))[:-1], "takes 24 bytes, and the body has 23"),
        (npy(np.zeros(3)) + b"x", "takes 24 bytes, and the body has 25"),
        (npy(np.zeros(3, complex)), "complex128"),
        (npy(np.zeros(3, "M8[s]")), "datetime64"),
        (npy(np.zeros(2, [("a", "i4")])), "not taken"),
        (npy(np.array([True]))[:-1] + b"\x07", "other than 0 and 1"),
        (npy(np.array([""])).replace(b"<U1", b"<U0")[:-4], "empty text"),
    ],
)
def test_what_is_wrong_is_said(body, words):
    with pytest.raises(InvalidInput, match=words):
        read(body)


SHAPES = ("(-1,)", "(1.5,)", "('a',)", "(True,)", "(99999999999999999999,)", "(4294967296, 4294967296)")


@pytest.mark.parametrize("shape", [*SHAPES, str((1,) * 40), "(0, 1099511627776, 2)"])
def test_a_shape_that_cannot_be(shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with pytest.raises(InvalidInput):
        read(body)


@given(arrays(st.sampled_from(["f8", "i2", "?"]), array_shapes(max_dims=3, max_side=3)), st.data())
def test_a_damaged_file_is_read_or_refused(array, data):
    body = bytearray(npy(array))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        assert isinstance(read(bytes(body)), np.ndarray)
    except ServerError as error:
        assert error.status == 400  # noqa: PT017


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("point", [0xD800, 0xDFFF, 0x110000, 0xFFFFFFFF])
def test_what_is_no_character_is_refused(point, order):
    body = npy(np.array(["ab", "x"], f"{order}U2"))
    bad = point.to_bytes(4, "little" if order == "<" else "big")
    with pytest.raises(InvalidInput, match="no character"):
        read(body[:-8] + bad + body[-4:])
    assert read(body).tolist() == ["ab", "x"]


def test_texts_are_counted():
    with pytest.raises(TooLarge, match="more than 4000000 texts"):
        read(npy(np.zeros(4_000_001, "S1")))
    assert len(read(npy(np.zeros(4_000_001, np.int8)))) == 4_000_001
