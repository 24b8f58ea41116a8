from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.tensorflow_serving.decimals import rounded

RANDOM = np.random.default_rng(7)
FLOATS = np.concatenate(
    [
        RANDOM.random(500),
        RANDOM.random(500) * 10.0 ** RANDOM.integers(-12, 28, 500),
        [0, -0.0, 1, -1, 0.1, 1e6, 16777217, 1e10, 999999.97, 3.4028235e38],
    ]
).astype(np.float32)


def as_written(number: np.float32) -> float:
    """What C's printf writes: six digits if they are enough, else nine."""
    few = float(f"{number:.6g}")
    return few if np.float32(few) == number else float(f"{number:.9g}")


def test_many_floats_are_rounded_as_printf_would():
    assert [as_written(number) for number in FLOATS[:-1]] == rounded(FLOATS[:-1]).tolist()


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-45, 3.4028235e38, 16777217, -0.5])
def test_and_so_are_few(number):
    assert rounded(np.array([[number]], np.float32)).tolist() == [[as_written(np.float32(number))]]


@pytest.mark.parametrize("count", [1, 100])
def test_nothing_is_lost(count):
    floats = np.tile(np.array([np.nan, np.inf, -np.inf, 1e-45, 0.1], np.float32), count)
    assert np.array_equal(rounded(floats).astype(np.float32), floats, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_largest_stay_finite(dtype):
    largest = np.array([np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    with np.errstate(all="raise"):
        assert np.array_equal(rounded(largest).astype(dtype), largest)


def test_halves_and_doubles():
    assert rounded(np.array([0.1], np.float16)).tolist() == [0.0999756]
    doubles = np.array([0.1, 1 / 3])
    assert rounded(doubles) is doubles
