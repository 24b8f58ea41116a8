"""Responses as CSV: one line a row; an output of several values takes so many cells."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any, List, Mapping, Sequence

import numpy as np

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.signature import TensorSpec


def encode(columns: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec], *, header: bool) -> bytes:
    """The table, with the outputs' names in a header where wanted. Lines end in LF, as most tools write them."""
    labels = {spec.name: spec.labels for spec in outputs}
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([name for key, array in columns.items() for name in _names(key, array, labels.get(key, ()))])
    cells = [_cells(array) for array in columns.values()]
    writer.writerows([[_text(value) for part in row for value in part] for row in zip(*cells)])
    return text.getvalue().encode()


def _names(name: str, array: np.ndarray, labels: Sequence[str]) -> List[str]:
    if array.ndim < 2:
        return [name]
    width = array.reshape(len(array), -1).shape[1] if array.size else 0
    return [f"{name}_{label}" for label in (labels if len(labels) == width else range(width))]


def _cells(array: np.ndarray) -> List[List[Any]]:
    flat: List[List[Any]] = json_answer.values(array.reshape(len(array), -1) if array.size else array)
    return flat


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value["b64"] if isinstance(value, dict) else value
