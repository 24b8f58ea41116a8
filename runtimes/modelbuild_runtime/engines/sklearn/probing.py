"""Datatypes that nothing in a model shows, found by trying: a made-up row that it accepts."""

from __future__ import annotations

import itertools
import logging
from typing import Any, Callable, Dict, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.sklearn.columns import NUMERIC, Column
from modelbuild_runtime.engines.sklearn.inputs import ARRAY, Inputs
from modelbuild_runtime.tensor import NUMPY

logger = logging.getLogger(__name__)

Call = Callable[[Any], Dict[str, np.ndarray]]

MOST = 6
"""Unknown columns up to which every combination is tried."""


def known_by_trying(inputs: Inputs, call: Call) -> Inputs:
    """With a datatype for each column; as they are where no combination works."""
    unknown = [i for i, column in enumerate(inputs.columns) if column.used and not column.datatype]
    if not unknown:
        return inputs
    for types in _combinations(len(unknown)):
        columns = list(inputs.columns)
        for index, datatype in zip(unknown, types):
            columns[index] = columns[index]._replace(datatype=datatype)
        tried = inputs._replace(columns=tuple(columns))
        if _works(tried, call):
            _warn([inputs.names[i] for i in unknown if inputs.names])
            return tried
    return inputs


def _warn(names: Sequence[str]) -> None:
    if names:
        logger.warning(
            "nothing in the model shows the datatypes of %s: they are guessed. "
            "Give an example, or declare the columns: preprocess(rows: Annotated[pandas.DataFrame, Record])",
            ", ".join(map(repr, names[:20])),
        )


def sample(inputs: Inputs, rows: int = 1) -> Dict[str, np.ndarray]:
    """Made-up rows; nothing where it is not known what to make up."""
    if inputs.kind == "text":
        return {ARRAY: np.array(["1"] * rows, object)}
    if inputs.kind == "matrix":
        return {ARRAY: np.stack([_values(column, rows) for column in inputs.columns], axis=1)} if inputs.columns else {}
    return {name: _values(column, rows) for name, column in zip(inputs.names, inputs.columns) if column.datatype}


def _combinations(count: int) -> Sequence[Tuple[str, ...]]:
    """Numbers first: text made of digits passes for a number, and not the other way round."""
    if count > MOST:
        return [(NUMERIC,) * count, ("BYTES",) * count]
    return sorted(itertools.product((NUMERIC, "BYTES"), repeat=count), key=lambda types: types.count("BYTES"))


def _works(inputs: Inputs, call: Call) -> bool:
    try:
        call(inputs.assemble(sample(inputs)))
    except Exception:  # noqa: BLE001  # user's code among the model's parts may raise anything
        return False
    return True


def _values(column: Column, rows: int) -> np.ndarray:
    dtype = NUMPY[column.datatype or NUMERIC]
    if not column.labels:
        return np.full(rows, "1" if dtype.kind == "O" else 1, dtype)
    first = column.labels[0]
    return np.full(rows, first if dtype.kind == "O" else first == "True" if dtype.kind == "b" else float(first)).astype(
        dtype
    )
