"""Predictions as classes with scores, and as one number an example.

In TensorFlow Serving a signature says by its outputs' names whether it classifies or regresses. Other models have no
such names, so what they give is understood as follows.

Classes: the outputs named "classes" (text) and "scores" where there are such; else the first floating point output
with several values a row is the scores, whose classes are its contract's labels, or unnamed. A model that gives nothing
but the label of a row classifies too: into one class, whose score is 0, as TensorFlow Serving has it without scores.

A number: the output named "outputs"; else the only output; else the only one of floating point numbers that has no
labels. It must have one value a row.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.answers import items
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving.decimals import rounded

Class = Tuple[str, float]
Columns = Mapping[str, np.ndarray]


def classes(response: Response, outputs: Sequence[TensorSpec]) -> List[List[Class]]:
    """Labels with their scores in the model's own order, one list an example.

    Raises:
        InvalidInput: the model gives nothing that could be that.
    """
    columns = _columns(response, outputs)
    labels = {spec.name: spec.labels for spec in outputs}
    scores = _scores(columns)
    names = _names(columns, labels, without="" if scores is None else scores)
    if scores is None:
        if names is None:
            raise InvalidInput(
                'Expected classification signature outputs to contain at least one of "classes" or "scores". '
                f"Signature has: {_listed(columns)}"
            )
        return [[(name, 0.0) for name in row] for row in names]
    table = rounded(columns[scores].reshape(response.count, -1)).tolist()
    if names is None or len(names) != len(table) or any(len(a) != len(b) for a, b in zip(names, table)):
        fixed = labels.get(scores, ())
        width = len(table[0]) if table else 0
        names = [list(fixed) if len(fixed) == width else [""] * width] * len(table)
    return [list(zip(*pair)) for pair in zip(names, table)]


def numbers(response: Response, outputs: Sequence[TensorSpec]) -> np.ndarray:
    """One number an example.

    Raises:
        InvalidInput: the model gives nothing that could be that.
    """
    columns = _columns(response, outputs)
    name = _number(columns, {spec.name for spec in outputs if spec.labels})
    array = columns[name]
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"Expected output Tensor of DT_FLOAT.  Got: {array.dtype}", field=name)
    if array.size != response.count:
        shape = "[" + ",".join(map(str, array.shape)) + "]"
        raise InvalidInput(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {shape}", field=name
        )
    flat = array.reshape(-1)
    return flat if flat.dtype.kind == "f" else flat.astype(np.float64)


def _columns(response: Response, outputs: Sequence[TensorSpec]) -> Mapping[str, np.ndarray]:
    if response.rows is not None:
        return items.to_columns(response.rows, outputs)
    if not response.columns:
        raise InvalidInput("this model's handler encodes answers by itself; it neither classifies nor regresses here")
    return response.columns


def _scores(columns: Columns) -> Optional[str]:
    """The name of the output with the scores."""
    if "scores" in columns and columns["scores"].dtype.kind in "fiu":
        return "scores"
    several = (name for name, array in columns.items() if array.dtype.kind == "f" and array.ndim == 2)
    return next((name for name in several if columns[name].shape[1] > 1), None)


def _names(columns: Columns, labels: Mapping[str, Sequence[str]], *, without: str) -> Optional[List[List[str]]]:
    """The classes that the model names for each example, if it does."""
    if "classes" in columns:
        return [_texts(row) for row in _rows(columns["classes"])]
    if without:
        return None
    for name, array in columns.items():
        if array.dtype.kind in "OSUbiu" and (array.dtype.kind in "OSU" or labels.get(name)):
            return [_texts(row) for row in _rows(array)]
    return None


def _rows(array: np.ndarray) -> List[List[Any]]:
    rows: List[List[Any]] = array.reshape(len(array), -1).tolist() if array.size else []
    return rows


def _texts(values: List[Any]) -> List[str]:
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


def _number(columns: Columns, labelled: Any) -> str:
    """The name of the output with the number."""
    if "outputs" in columns:
        return "outputs"
    if len(columns) == 1:
        return next(iter(columns))
    found = [name for name, array in columns.items() if array.dtype.kind == "f" and name not in labelled]
    if len(found) != 1:
        raise InvalidInput(f"Expected one output Tensor. Signature has: {_listed(columns)}")
    return found[0]


def _listed(columns: Columns) -> str:
    return ", ".join(columns)[:200]
