"""Floating point numbers as TensorFlow Serving writes them: six significant digits where they say it exactly, else as
many as the type may need. A float that is 0.1 is then 0.1, and not the double next to it.
"""

from __future__ import annotations

import numpy as np

_POWERS = 10.0 ** np.arange(23)
_POWERS[:] = [float(10**power) for power in range(23)]
"""Powers of ten that a double holds exactly: a division by one rounds once, as reading the decimal does."""

_DIGITS = (6, 9)
_FEW = 48
"""Numbers up to which a look at each is faster than a look at all."""


def rounded(array: np.ndarray) -> np.ndarray:
    """Doubles whose shortest text is the decimal of each number; doubles are that already."""
    if array.dtype.itemsize >= 8:
        return array
    if array.size <= _FEW:
        return _one_by_one(array)
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        exponents = np.floor(np.log10(np.abs(wide)))
        result = wide.copy()
        for digits in reversed(_DIGITS):
            shift = digits - 1 - exponents
            possible = np.abs(shift) <= 22  # false for 0 and what is not finite
            powers = _POWERS[np.where(possible, np.abs(shift), 0).astype(np.intp)]
            up = shift >= 0
            whole = np.rint(np.where(up, wide * powers, wide / powers))
            decimal = np.where(up, whole / powers, whole * powers)
            exact = possible & (decimal.astype(array.dtype) == array)
            result = np.where(exact, decimal, result)
    return result


def _one_by_one(array: np.ndarray) -> np.ndarray:
    flat = array.ravel()
    numbers = flat.tolist()
    short = [float(f"{number:.6g}") for number in numbers]
    exact = (np.array(short, array.dtype) == flat).tolist()  # six digits of the largest number are not above it
    long = [few if same else float(f"{number:.9g}") for few, same, number in zip(short, exact, numbers)]
    return np.array(long).reshape(array.shape)
