"""Leap frames made up by Hypothesis: columns of every type, with values that it can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from modelbuild_runtime.leap_frame.frame import (
    BASES,
    BASIC,
    BITS,
    BOOLEAN,
    BYTE_STRING,
    FLOAT,
    LIST,
    MAP,
    STRING,
    TENSOR,
    Column,
    Frame,
    Kind,
    LeapTensor,
)

SIZES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


def values(base: str) -> st.SearchStrategy[Any]:
    """Values of one kind. Numbers are finite: JSON has no others."""
    if base in BITS:
        most = 1 << (BITS[base] - 1)
        return st.integers(-most, most - 1)
    finite = {"allow_nan": False, "allow_infinity": False}
    return {
        BOOLEAN: st.booleans(),
        STRING: st.text(max_size=4),
        BYTE_STRING: st.binary(max_size=4),
        FLOAT: st.floats(width=32, **finite),
    }.get(base, st.floats(**finite))


@st.composite
def tensors(draw: st.DrawFn, base: str) -> LeapTensor:
    sizes = draw(SIZES)
    count = int(np.prod(sizes, dtype=int))
    if draw(st.booleans()):
        return LeapTensor(draw(st.lists(values(base), min_size=count, max_size=count)), sizes)
    at = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=3)) if count else []
    indices = [[int(part) for part in np.unravel_index(one, sizes)] for one in at]
    return LeapTensor(draw(st.lists(values(base), min_size=len(at), max_size=len(at))), sizes, indices)


@st.composite
def frames(draw: st.DrawFn, shapes: tuple[str, ...] = (BASIC, LIST, TENSOR, MAP)) -> Frame:
    rows = draw(st.integers(0, 3))
    names = draw(st.lists(st.text(max_size=3), unique=True, min_size=1, max_size=4))
    columns = []
    for name in names:
        shape, base, nullable = draw(st.sampled_from(shapes)), draw(st.sampled_from(BASES)), draw(st.booleans())
        inner = {
            BASIC: values(base),
            LIST: st.lists(values(base), max_size=3),
            MAP: st.dictionaries(st.text(max_size=2), values(base), max_size=2),
            TENSOR: tensors(base),
        }[shape]
        kind = Kind(shape, base, nullable, key=STRING if shape == MAP else "")
        inner = st.none() | inner if nullable else inner
        columns.append(Column(name, kind, draw(st.lists(inner, min_size=rows, max_size=rows))))
    return Frame(columns, rows)


def plain(frame: Frame) -> Any:
    """The frame as something that can be compared."""
    return frame.rows, [(one.name, one.kind, [_plain(value) for value in one.values]) for one in frame.columns]


def _plain(value: Any) -> Any:
    return (value.values, tuple(value.dimensions), value.indices) if isinstance(value, LeapTensor) else value
