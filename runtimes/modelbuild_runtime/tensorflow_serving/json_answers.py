"""Answers in TensorFlow Serving's JSON: predictions in the form of the question, and the results of examples."""

from __future__ import annotations

import base64
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies.question import INPUTS
from modelbuild_runtime.dataplane.shares import Share
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
    columns = response.columns or {}
    if not columns:
        raise PredictionFailed("Cannot convert empty tensor map to JSON")
    if form == INPUTS:
        named = _columns(columns)
        return json_answer.encode({"outputs": named if len(named) > 1 else next(iter(named.values()))}, tokens=True)
    rows = columns.rows(_rows) if isinstance(columns, Share) else _rows(columns)
    return b'{"predictions":[%b]}' % b",".join(rows)


def classes(found: Sequence[Sequence[Tuple[str, float]]]) -> bytes:
    """The body that answers a request to classify: labels with their scores, one list an example."""
    return json_answer.encode({"results": found}, tokens=True)


def numbers(found: np.ndarray) -> bytes:
    """The body that answers a request to regress: one number an example."""
    return json_answer.encode({"results": rounded(found).tolist()}, tokens=True)


def _rows(columns: Mapping[str, np.ndarray]) -> List[bytes]:
    """The JSON of each row."""
    _check_rows(columns)
    lists = _columns(columns)
    rows = [dict(zip(lists, row)) for row in zip(*lists.values())] if len(lists) > 1 else next(iter(lists.values()))
    return [json_answer.encode(row, tokens=True) for row in rows]


def _columns(columns: Mapping[str, np.ndarray]) -> Dict[str, Any]:
    return {name: _values(name, array) for name, array in columns.items()}


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
