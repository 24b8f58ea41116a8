"""Answers in TensorFlow Serving's JSON: predictions in the form of the question, and the results of examples."""

from __future__ import annotations

import base64
from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies.question import INPUTS
from modelbuild_runtime.errors import InvalidInput, PredictionFailed
from modelbuild_runtime.request import Response
from modelbuild_runtime.tensorflow_serving.decimals import rounded


def prediction(response: Response, form: str) -> bytes:
    """The body that answers a request to predict.

    Raises:
        ServerError: rows are wanted, and the outputs have none.
    """
    if response.rows is not None:
        return json_answer.encode(_of_items(response, form), tokens=True)
    columns = {name: _values(name, array) for name, array in (response.columns or {}).items()}
    if not columns:
        raise PredictionFailed("Cannot convert empty tensor map to JSON")
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if form == INPUTS:
        return json_answer.encode({"outputs": columns if only is None else only}, tokens=True)
    _check_rows(response.columns or {})
    rows = only if only is not None else [dict(zip(columns, row)) for row in zip(*columns.values())]
    return json_answer.encode({"predictions": rows}, tokens=True)


def classes(found: Sequence[Sequence[Tuple[str, float]]]) -> bytes:
    """The body that answers a request to classify: labels with their scores, one list an example."""
    return json_answer.encode({"results": found}, tokens=True)


def numbers(found: np.ndarray) -> bytes:
    """The body that answers a request to regress: one number an example."""
    return json_answer.encode({"results": rounded(found).tolist()}, tokens=True)


def _of_items(response: Response, form: str) -> Dict[str, Any]:
    """What a handler made of each row."""
    answer: Dict[str, Any] = json_answer.answer(response, form, named=False)
    outputs = answer.get("outputs")
    if isinstance(outputs, dict) and len(outputs) == 1:
        return {"outputs": next(iter(outputs.values()))}
    return answer


def _check_rows(columns: Mapping[str, np.ndarray]) -> None:
    count = -1
    for name, array in columns.items():
        if not array.ndim:
            raise InvalidInput(f"Tensor name: {name} has no shape information ", field=name)
        if count not in (-1, len(array)):
            raise InvalidInput(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {count}", field=name
            )
        count = len(array)


def _values(name: str, array: np.ndarray) -> Any:
    if array.dtype.kind == "f":
        return rounded(array).tolist()
    if array.dtype.kind in "OS" and name.endswith("_bytes"):
        return _in_base64(array.tolist())
    return json_answer.values(array)


def _in_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_base64(item) for item in value]
    return {"b64": base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()}
