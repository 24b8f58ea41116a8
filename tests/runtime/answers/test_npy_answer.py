from __future__ import annotations

import io

import numpy as np
import pytest

from modelbuild_runtime.answers.npy_answer import encode
from modelbuild_runtime.errors import NotAcceptable


def load(columns):
    return np.load(io.BytesIO(encode(columns)), allow_pickle=False)


@pytest.mark.parametrize("array", [np.array([[1.5, 2]], np.float32), np.array([True]), np.zeros((0, 3))])
def test_one_output_is_its_array(array):
    found = load({"y": array})
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_text_has_a_fixed_width():
    assert load({"y": np.array(["a", "grün"], object)}).tolist() == ["a", "grün"]
    assert load({"y": np.array([b"a\xff", "b"], object)}).tolist() == [b"a\xff", b"b"]


def test_several_outputs_are_fields():
    found = load({"label": np.array(["a", "bc"], object), "p": np.array([[0.25, 0.75], [1, 0]])})
    assert found.dtype.names == ("label", "p")
    assert found["label"].tolist() == ["a", "bc"]
    assert found["p"].tolist() == [[0.25, 0.75], [1, 0]]


def test_outputs_of_different_length_do_not_fit():
    with pytest.raises(NotAcceptable):
        encode({"a": np.zeros(2), "b": np.zeros(3)})


@pytest.mark.parametrize("long, short", [("x", "y"), (b"x", b"y")])
def test_short_texts_beside_a_very_long_one_are_not_acceptable(long, short):
    texts = np.array([long * 1_000_000, *[short] * 1_000_000], object)
    with pytest.raises(NotAcceptable, match="far larger"):
        encode({"y": texts})
