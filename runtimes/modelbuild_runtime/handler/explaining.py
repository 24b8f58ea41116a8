"""Explanations: the handler's ``explain(model, inputs)`` in place of predict, one explanation a row."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Optional

from modelbuild_runtime.handler.annotations import Takes
from modelbuild_runtime.handler.answers import answer, by_row, plain
from modelbuild_runtime.handler.entry import frame

Parameters = Optional[Mapping[str, Any]]
Function = Callable[[Any, Parameters], Any]


def explained(value: Any, count: int) -> List[Any]:
    """What explain returned for ``count`` rows, as one JSON-able item a row.

    Raises:
        ValueError: it is not one entry a row.
    """
    found = answer(value, (), count, "explain")
    if not isinstance(found, dict):
        return found
    if list(found) == ["output"]:  # an array without a name
        return plain(list(found["output"]))
    return plain(by_row(found))


def of_features(takes: Takes, call: Function) -> Function:
    """An explain that gets the batch which the engine would get, as its annotation says: arrays by name, the only
    array, or a frame.
    """
    if takes.kind == "frame":
        return lambda features, given: call(frame(features), given)
    if takes.kind == "array":
        return lambda features, given: call(_sole(features), given)
    return call


def _sole(features: Any) -> Any:
    if len(features) != 1:
        raise ValueError(f"explain takes one array, but the model has {len(features)} inputs ({', '.join(features)})")
    return next(iter(features.values()))
