"""Tensors that nothing in a file describes, as examples show them: datatypes and shapes of what clients send."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.pytorch.program import Argument


def shown(arguments: Sequence[Argument], examples: Sequence[Any]) -> Dict[str, Tuple[np.dtype, Tuple[int, ...]]]:
    """The datatype and shape of each argument that an example has a value for, one entry a row.

    A size that differs between rows is free. Whole numbers may stand for others: who tries them must know.
    """
    names = [item.name for item in arguments]
    found: Dict[str, Tuple[np.dtype, Tuple[int, ...]]] = {}
    for example in examples:
        rows = list(_rows(example, names))
        for name in names:
            values = [row[name] for row in rows if row.get(name) is not None]
            described = _described(values)
            if described is not None and name not in found:
                found[name] = described
    return found


def _rows(example: Any, names: Sequence[str]) -> Iterator[Dict[str, Any]]:
    """The rows of a body for POST /predict, by name. One argument needs no name."""
    if isinstance(example, dict) and isinstance(example.get("inputs"), dict):
        columns = example["inputs"]
        if all(isinstance(column, list) for column in columns.values()):
            yield from (dict(zip(columns, cells)) for cells in zip(*columns.values()))
        return
    if isinstance(example, dict):
        listed = next((example[key] for key in ("instances", "inputs") if isinstance(example.get(key), list)), None)
        example = [example] if listed is None else listed
    for row in example if isinstance(example, list) else ():
        if isinstance(row, dict):
            yield row
        elif len(names) == 1:
            yield {names[0]: row}


def _described(values: List[Any]) -> Any:
    try:
        made = [np.array(value) for value in values]
    except ValueError:
        return None
    if not made or any(array.dtype.kind not in "biuf" or array.ndim != made[0].ndim for array in made):
        return None
    sizes = tuple(
        size.pop() if len(size) == 1 else -1 for size in ({*column} for column in zip(*(a.shape for a in made)))
    )
    kinds = {array.dtype.kind for array in made}
    dtype = np.dtype(np.float32) if "f" in kinds else np.dtype(np.bool_) if kinds == {"b"} else np.dtype(np.int64)
    return dtype, (-1, *sizes)
