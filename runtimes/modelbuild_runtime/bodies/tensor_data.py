"""The ``data`` of a tensor as JSON has it, nested or flat, to one flat list. Its values are judged by the dataplane."""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Any, List, Tuple

from modelbuild_runtime.errors import InvalidInput

MAX_RANK = 32
MAX_SIZE = 1 << 40
"""Elements that a shape may stand for, sizes of 0 left aside: NumPy cannot even think of larger empty arrays."""


def flatten(name: str, data: List[Any]) -> Tuple[Tuple[int, ...], List[Any]]:
    """The shape of nested lists, and their elements in one list, row by row.

    Raises:
        InvalidInput: they are ragged.
    """
    shape: Tuple[int, ...] = (len(data),)
    flat = data
    while flat and type(flat[0]) is list:
        if len(set(map(type, flat))) > 1:
            raise InvalidInput(f"input {name!r} mixes lists and single values", field=name)
        lengths = set(map(len, flat))
        if len(lengths) > 1:
            raise InvalidInput(
                f"input {name!r} is ragged: lists of {min(lengths)} and of {max(lengths)} elements side by side",
                field=name,
            )
        if len(shape) >= MAX_RANK:
            raise InvalidInput(f"input {name!r} has more than {MAX_RANK} dimensions", field=name)
        shape += (lengths.pop(),)
        flat = list(chain.from_iterable(flat))
    return shape, flat


def check_shape(name: str, shape: Tuple[int, ...]) -> None:
    """Refuse shapes that no array can have, whatever its data: too many dimensions, or empty and too large."""
    if len(shape) > MAX_RANK:
        raise InvalidInput(f"input {name!r} has more than {MAX_RANK} dimensions", field=name)
    if prod(size or 1 for size in shape) > MAX_SIZE:
        raise InvalidInput(f"input {name!r}: no array has the shape {str(list(shape))[:100]}", field=name)


def check_count(name: str, shape: Tuple[int, ...], found: int) -> None:
    """Hold the number of elements to the shape."""
    if prod(shape) != found:
        raise InvalidInput(
            f"input {name!r}: shape {list(shape)} is {prod(shape)} elements, and the data has {found}", field=name
        )
