"""Large JSON arrays of numbers, read straight into an array: no Python object an element.

Everything here answers None for what it does not want to judge; the ordinary way then reads it, or says what is wrong.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import prod
from typing import Any, Optional, Tuple

import numpy as np

from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.tensor import NUMPY

HERE = find_spec("simdjson") is not None
"""Imported for the first large body. Where no wheel is for this platform, the ordinary way is correct, and slower."""

LARGE = 2048
"""Bytes of a body from which this way is the faster one."""


def document(body: Body) -> Any:
    """The body as a lazy document, or None. Drop every part of it before the body is changed."""
    if not HERE:
        return None
    import simdjson

    try:
        return simdjson.Parser().parse(body)
    except (ValueError, RuntimeError):
        return None


def is_array(part: Any) -> bool:
    """Whether a part of a document is an array."""
    if not HERE:
        return False
    import simdjson

    return isinstance(part, simdjson.Array)


def is_object(part: Any) -> bool:
    """Whether a part of a document is an object."""
    if not HERE:
        return False
    import simdjson

    return isinstance(part, simdjson.Object)


def plain(part: Any) -> Any:
    """A part of a document as ordinary objects."""
    return part.as_list() if is_array(part) else part.as_dict() if is_object(part) else part


def holds_arrays(body: Body, count: int) -> bool:
    """Whether so many arrays begin in the body. More than its tensors account for means that there is an array where a
    number should be, which ``numbers`` cannot see.
    """
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord("["))) == count


def arrays_in(shape: Tuple[int, ...]) -> int:
    """How many JSON arrays write down a tensor of this shape."""
    total = count = 1
    for size in shape[:-1]:
        count *= size
        total += count
    return total


def numbers(array: Any, datatype: str) -> Optional[Tuple[Tuple[int, ...], np.ndarray]]:
    """The shape and the flat elements of a part of a document, or None if it is ragged or of another datatype."""
    dtype = NUMPY[datatype]
    shape = _shape(array)
    if shape is None or dtype.kind not in "iuf":
        return None
    wide = {"f": np.dtype(np.float64), "i": np.dtype(np.int64), "u": np.dtype(np.uint64)}[dtype.kind]
    try:
        flat = np.frombuffer(array.as_buffer(of_type={"f": "d", "i": "i", "u": "u"}[dtype.kind]), wide)
    except (TypeError, ValueError, RuntimeError):
        return None
    if flat.size != prod(shape):
        return None
    with np.errstate(over="ignore"):
        narrow = flat.astype(dtype, copy=False)
    if narrow is flat or bool((np.isfinite(narrow) if dtype.kind == "f" else narrow == flat).all()):
        return shape, narrow
    return None


def only_array(body: Body, part: Any, datatype: str) -> Optional[np.ndarray]:
    """The array in a part of a document that holds no other one, in its shape; None as for ``numbers``."""
    if not is_array(part):
        return None
    found = numbers(part, datatype)
    if found is None or not holds_arrays(body, arrays_in(found[0])):
        return None
    return found[1].reshape(found[0])


def _shape(array: Any) -> Optional[Tuple[int, ...]]:
    """The shape of nested arrays, None where they are ragged."""
    shape: Tuple[int, ...] = (len(array),)
    level = [array]
    while len(level[0]) and is_array(level[0][0]):
        parts = [part for above in level for part in above]
        if len(set(map(type, parts))) > 1:
            return None
        lengths = set(map(len, parts))
        if len(lengths) > 1:
            return None
        shape += (lengths.pop(),)
        level = parts
    return shape
