"""Rows to compare two models on: those of the examples, and others made of them."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

from modelbuild_runtime.signature import TensorSpec

Arrays = Dict[str, np.ndarray]

MIXED = 256
UNHEARD_OF = "a value that no model was trained on"


class Oddity(NamedTuple):
    """One row in which one input holds something odd: "missing", "infinite", "unknown" or "absent"."""

    kind: str
    name: str
    rows: Arrays


def take(rows: Arrays, which: np.ndarray) -> Arrays:
    """Rows by their places."""
    return {name: array[which] for name, array in rows.items()}


def tiled(rows: Arrays, count: int) -> Arrays:
    """So many rows, the same ones again where there are fewer."""
    return take(rows, np.arange(count) % _count(rows))


def mixed(rows: Arrays, specs: Tuple[TensorSpec, ...]) -> Arrays:
    """Rows in which each column is drawn by itself. Numbers are those of the examples, the middles between two of them,
    which is where trees split, and others near by; categories are all that the model knows.
    """
    random = np.random.default_rng(0)
    known = {spec.name: spec.labels for spec in specs}
    return {name: _drawn(array, known.get(name, ()), random) for name, array in rows.items()}


def oddities(rows: Arrays, specs: Tuple[TensorSpec, ...]) -> Iterator[Oddity]:
    """The first row with one odd value, for each input and each kind that its datatype has."""
    first = take(rows, np.zeros(1, int))
    for spec in specs:
        if spec.name not in first:
            continue
        array = first[spec.name]
        if array.dtype.kind == "f":
            for kind, value in (("missing", np.nan), ("infinite", np.inf)):
                for changed in _each_place(array, value):
                    yield Oddity(kind, spec.name, {**first, spec.name: changed})
        if array.dtype.kind == "O" and spec.optional:
            yield Oddity("missing", spec.name, {**first, spec.name: _filled(array, None)})
        if spec.labels:
            odd = UNHEARD_OF if array.dtype.kind == "O" else 987_654
            yield Oddity("unknown", spec.name, {**first, spec.name: _filled(array, odd)})
        if spec.optional and len(first) > 1:
            yield Oddity("absent", spec.name, {name: value for name, value in first.items() if name != spec.name})


def _each_place(array: np.ndarray, value: float) -> List[np.ndarray]:
    """One array for each of the first values of the row, with that one changed; ``array`` is one row."""
    made = []
    for place in range(min(array.size, 64)):
        changed = array.copy()
        changed.reshape(-1)[place] = value
        made.append(changed)
    return made


def _filled(array: np.ndarray, value: object) -> np.ndarray:
    made = np.empty(array.shape, array.dtype)
    made.fill(value)
    return made


def _drawn(array: np.ndarray, labels: Tuple[str, ...], random: np.random.Generator) -> np.ndarray:
    if labels and array.ndim == 1 and array.dtype.kind in "Oif":
        values = np.array(labels, object) if array.dtype.kind == "O" else np.array([float(x) for x in labels])
        return values[random.integers(0, len(values), MIXED)].astype(array.dtype)
    columns = array.reshape(len(array), -1)
    places = random.integers(0, len(array), (2, MIXED, columns.shape[1]))
    one, other = (np.take_along_axis(columns, place, axis=0) for place in places)
    if array.dtype.kind == "f":
        near = one + (np.abs(one) + 0.1) * random.normal(0, 0.1, one.shape)
        choice = random.random(one.shape)
        one = np.where(choice < 0.4, one, np.where(choice < 0.7, one / 2 + other / 2, near)).astype(array.dtype)
    return one.reshape(MIXED, *array.shape[1:])


def _count(rows: Arrays) -> int:
    return len(next(iter(rows.values())))
