"""Datatypes that nothing in a model shows, as an example shows them: better than any guess."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from modelbuild_runtime.engines.sklearn.columns import NUMERIC, Column
from modelbuild_runtime.engines.sklearn.inputs import Inputs
from modelbuild_runtime.engines.sklearn.probing import Call, sample
from modelbuild_runtime.tensor import NUMPY

_DATATYPES = {str: "BYTES", bool: "BOOL", int: NUMERIC, float: NUMERIC}


def known_by_example(inputs: Inputs, examples: Sequence[Any], call: Call) -> Inputs:
    """With the datatypes that examples show of unknown columns; as they are where the model does not take these."""
    unknown = [i for i, column in enumerate(inputs.columns) if column.used and not column.datatype]
    rows = [row for example in examples for row in _rows(example, inputs.names)]
    if not unknown or not rows or not inputs.names:
        return inputs
    columns, shown = list(inputs.columns), {}
    for index in unknown:
        name = inputs.names[index]
        cells = [row.get(name) for row in rows]
        columns[index] = _column(columns[index], cells)
        if columns[index].datatype:
            value = next(cell for cell in cells if cell is not None)
            shown[name] = np.array([value], NUMPY[columns[index].datatype])
    tried = inputs._replace(columns=tuple(columns))
    try:
        call(tried.assemble({**sample(tried), **shown}))
    except Exception:  # noqa: BLE001  # user's code among the model's parts may raise anything
        return inputs
    return tried


def _rows(example: Any, names: Sequence[str]) -> Iterator[Dict[str, Any]]:
    """The rows of a body for POST /predict, by name."""
    if isinstance(example, dict) and isinstance(example.get("inputs"), dict):
        columns = example["inputs"]
        if all(isinstance(column, list) for column in columns.values()):
            yield from (dict(zip(columns, cells)) for cells in zip(*columns.values()))
        return
    if isinstance(example, dict):
        example = example["instances"] if isinstance(example.get("instances"), list) else [example]
    for row in example if isinstance(example, list) else ():
        if isinstance(row, dict):
            yield row
        elif isinstance(row, list) and len(row) == len(names):
            yield dict(zip(names, row))


def _column(known: Column, cells: List[Any]) -> Column:
    found = {_DATATYPES.get(type(cell), "") for cell in cells if cell is not None}
    datatype: Optional[str] = found.pop() if len(found) == 1 else None
    return known._replace(datatype=datatype, optional=None in cells) if datatype else known
