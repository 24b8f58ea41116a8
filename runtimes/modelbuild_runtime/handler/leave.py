"""The way out: the model's outputs through postprocess, or as they are."""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Protocol, Tuple

import numpy as np

from modelbuild_runtime.handler.annotations import Parameters, Takes, classify
from modelbuild_runtime.handler.answers import Answer, answer, arrays, by_row, plain
from modelbuild_runtime.handler.entry import Entry, frame, open_rows
from modelbuild_runtime.handler.records import RecordType
from modelbuild_runtime.signature import TensorSpec

Parts = Optional[Mapping[str, Any]]
ByName = Callable[[Any, int], Dict[str, np.ndarray]]


class Leave(NamedTuple):
    """``outputs`` are those of the contract, empty where only a prediction tells; ``answer`` takes what the model
    returned, what the handler's first function took, the number of rows (-1: not counted) and the parameters.
    """

    outputs: Tuple[TensorSpec, ...]
    batched: bool
    answer: Callable[[Any, Any, int, Parts], Answer]


class Callee(Protocol):
    """A function of the handler."""

    @property
    def parameters(self) -> Parameters: ...
    def call(self, *arguments: Any, given: Parts) -> Any: ...


def leave(
    post: Optional[Callee], start: Entry, outputs: Tuple[TensorSpec, ...], *, batched: bool, from_engine: bool
) -> Leave:
    """The end of a pipeline whose model gives ``outputs``. What an engine returns is arrays by name already; what a
    handler's predict returns may be anything.
    """
    names = tuple(spec.name for spec in outputs)
    if post is None and from_engine:
        return Leave(outputs, batched, lambda value, _taken, _count, _given: value)
    if post is None:
        return Leave(outputs, batched, lambda value, _taken, count, _given: answer(value, names, count, "predict"))
    by_name = _same if from_engine else functools.partial(_by_name, names)
    takes = post.parameters.takes(0)
    both = len(post.parameters.names) > 1
    promised = _promised(post)
    specs = promised.specs if promised else ()
    if takes.kind == "record" or (start.by_row and takes.kind in {"", "object"}):
        rows = _rows_for(takes, by_name)

        def each(value: Any, taken: Any, count: int, given: Parts) -> Answer:
            items = rows(value, count)
            if not both:
                return plain([post.call(item, given=given) for item in items])
            originals = _originals(taken)
            return plain([post.call(item, first, given=given) for item, first in zip(items, originals)])

        return Leave(specs, batched, each)
    batch = _batch_for(takes, by_name)

    def once(value: Any, taken: Any, count: int, given: Parts) -> Answer:
        arguments = (batch(value, count), taken) if both else (batch(value, count),)
        return answer(post.call(*arguments, given=given), names, count, "postprocess")

    return Leave(specs, batched, once)


def _same(value: Any, _count: int) -> Any:
    return value


def _by_name(names: Tuple[str, ...], value: Any, count: int) -> Dict[str, np.ndarray]:
    return arrays(value, names, count, "predict")


def _rows_for(takes: Takes, by_name: ByName) -> Callable[[Any, int], List[Any]]:
    """One item a row: a record, or a dict of values."""
    record = takes.record

    def rows(value: Any, count: int) -> List[Any]:
        if isinstance(value, list) and (not value or not isinstance(value[0], (int, float, np.generic))):
            return value if record is None else record.convert(plain(value))
        made = by_name(value, count)
        return by_row(made) if record is None else _instances(record, made)

    return rows


def _batch_for(takes: Takes, by_name: ByName) -> Callable[[Any, int], Any]:
    """The whole batch: arrays by name, the only array, a frame, or a list."""
    record = takes.record

    def batch(value: Any, count: int) -> Any:
        made = by_name(value, count)
        if takes.kind == "frame":
            return frame(made)
        if takes.kind == "array":
            return _sole(made)
        if takes.kind == "records":
            return _instances(record, made) if record else open_rows(made)
        return made

    return batch


def _instances(record: RecordType, outputs: Mapping[str, np.ndarray]) -> List[Any]:
    missing = [field.name for field in record.fields if field.required and field.name not in outputs]
    if missing:
        raise ValueError(
            f"postprocess takes a {record.cls.__name__}, but the model gives no {missing[0]!r}: "
            f"its outputs are {', '.join(outputs)}"
        )
    return record.rows({name: array for name, array in outputs.items() if name in record.names})


def _sole(outputs: Dict[str, np.ndarray]) -> np.ndarray:
    if len(outputs) != 1:
        raise ValueError(
            f"postprocess takes one array, but the model has {len(outputs)} outputs ({', '.join(outputs)}); "
            "annotate it with dict[str, numpy.ndarray]"
        )
    return next(iter(outputs.values()))


def _originals(taken: Any) -> List[Any]:
    """What came in, by row."""
    if isinstance(taken, list):
        return taken
    if isinstance(taken, dict):
        return list(by_row(taken))
    if isinstance(taken, np.ndarray):
        return list(taken)
    return list(taken.to_dict("records"))


def _promised(post: Callee) -> Optional[RecordType]:
    """The record type that postprocess is annotated to return, by row or in a list."""
    returned = post.parameters.hints.get("return")
    if returned is None:
        return None
    try:
        return classify(returned, "return").record
    except Exception:  # noqa: BLE001  # only a hint: what comes back is looked at anyway
        return None
