"""Predictions as DeepDetect's supervised output gives them: the best classes of a row, or a vector of numbers."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.answers import items, json_answer
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec

ALL = -1
ELSEWHERE = ("measure", "template", "network", "index", "build_index", "search")
"""Parameters of the output that ask for something else than predictions."""


class Wanted(NamedTuple):
    """What the parameters of the output ask for. ``best`` is None where they do not say how many classes."""

    best: Optional[int] = None
    threshold: float = 0.0
    regression: bool = False


def wanted(parameters: Mapping[str, Any]) -> Wanted:
    """Read the parameters of the output; those that do not concern a classifier or a regression are left aside.

    Raises:
        InvalidInput: one is of the wrong type, or asks for what is not done here.
    """
    for name in ELSEWHERE:
        if parameters.get(name):
            raise _refused(name, "is not done here")
    best, threshold = parameters.get("best"), parameters.get("confidence_threshold", 0.0)
    regression = parameters.get("regression", False)
    if best is not None and (type(best) is not int or best < ALL):
        raise _refused("best", "must be a number of classes, or -1 for all")
    if type(threshold) not in (int, float):
        raise _refused("confidence_threshold", "must be a number")
    if not isinstance(regression, bool):
        raise _refused("regression", "must be true or false")
    return Wanted(best, float(threshold), regression)


def predictions(response: Response, contract: Contract, asked: Wanted) -> List[Dict[str, Any]]:
    """One prediction a row, still without its name."""
    if response.rows is not None:
        return [_of_item(item, asked) for item in items.to_builtins(response.rows)]
    columns = {
        name: np.asarray(array) if contract.batched else np.asarray(array)[None]
        for name, array in (response.columns or {}).items()
    }
    scores = None if asked.regression else _scores(columns, contract, asked)
    if scores is not None:
        labels, array = scores
        return [_classes(zip(labels, row), asked) for row in array.reshape(len(array), -1).tolist()]
    label = None if asked.regression else _label(columns)
    if label is not None:
        return [_classes([(_name(value), 1.0)], asked) for value in json_answer.values(columns[label].ravel())]
    return _vectors(columns, contract)


def _scores(
    columns: Mapping[str, np.ndarray], contract: Contract, asked: Wanted
) -> Optional[Tuple[Sequence[str], np.ndarray]]:
    """The output with one number a class, and the classes' names. Without names it is one only where classes are
    counted, or stand beside it.
    """
    specs = {spec.name: spec for spec in contract.outputs}
    found = {name: array for name, array in columns.items() if array.dtype.kind == "f" and array.ndim == 2}
    for name, array in found.items():
        labels = specs[name].labels if name in specs else ()
        if labels and len(labels) == array.shape[1]:
            return labels, array
    if found and (asked.best is not None or _label(columns) is not None):
        array = next(iter(found.values()))
        return [str(at) for at in range(array.shape[1])], array
    return None


def _label(columns: Mapping[str, np.ndarray]) -> Optional[str]:
    """The output that says the class of a row."""
    return next((name for name, array in columns.items() if array.dtype.kind in "OUS" and array.ndim == 1), None)


def _classes(scored: Iterable[Tuple[str, Any]], asked: Wanted) -> Dict[str, Any]:
    """The best classes, best first; numbers that are none come last, and are never below a threshold."""
    ranked = sorted(scored, key=lambda pair: math.inf if math.isnan(pair[1]) else -pair[1])
    best = 1 if asked.best is None else asked.best
    chosen = ranked if best == ALL else ranked[:best]
    return {"classes": _ended([{"cat": cat, "prob": prob} for cat, prob in chosen if not prob < asked.threshold])}


def _vectors(columns: Mapping[str, np.ndarray], contract: Contract) -> List[Dict[str, Any]]:
    """All numbers of a row, each under its label, its output's name, or its place."""
    specs = {spec.name: spec for spec in contract.outputs}
    numeric = {name: array.reshape(len(array), -1) for name, array in columns.items() if array.dtype.kind in "biuf"}
    names = [cat for name, array in numeric.items() for cat in _names(specs.get(name), name, array, len(numeric) == 1)]
    rows = zip(*(array.tolist() for array in numeric.values()))
    return [_vector(names, [value for part in row for value in part]) for row in rows]


def _names(spec: Optional[TensorSpec], name: str, array: np.ndarray, alone: bool) -> List[str]:
    width = array.shape[1]
    if spec is not None and len(spec.labels) == width:
        return list(spec.labels)
    if width == 1:
        return [name]
    return [str(at) if alone else f"{name}_{at}" for at in range(width)]


def _vector(names: Sequence[str], values: Sequence[Any]) -> Dict[str, Any]:
    return {"vector": _ended([{"cat": cat, "val": float(value)} for cat, value in zip(names, values)])}


def _of_item(item: Any, asked: Wanted) -> Dict[str, Any]:
    """What a handler answered for one row: scores by class, a class, or numbers; anything else stands as it is."""
    if isinstance(item, dict) and item and not asked.regression and all(_is_number(value) for value in item.values()):
        return _classes(list(item.items()), asked)
    if isinstance(item, str):
        return _classes([(item, 1.0)], asked)
    if _is_number(item):
        return _vector(["0"], [item])
    if isinstance(item, list) and item and all(_is_number(value) for value in item):
        return _vector([str(at) for at in range(len(item))], item)
    return {"vals": item}


def _ended(entries: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    if entries:
        entries[-1]["last"] = True
    return entries


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _name(value: Any) -> str:
    """A class as text; bytes that are none come as base64."""
    return str(value["b64"] if isinstance(value, dict) else value)


def _refused(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"parameters.output.{name} {what}", field=f"parameters.output.{name}")
