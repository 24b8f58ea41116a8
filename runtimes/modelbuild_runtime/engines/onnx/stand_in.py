"""A graph in the place of another framework's model: the same names, datatypes and shapes, the same refusals."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence

import numpy as np

from modelbuild_runtime.engines.onnx import values
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import NUMPY

Check = Callable[[np.ndarray], None]


class StandIn:
    """``stands_for`` tells how ``signature``, which is the other model's, is made of the graph's inputs and outputs.

    ``feeds`` are ``{"name", "inputs", "datatype", "stacked"}``, ``answers`` ``{"name", "output"}``, and ``refuse``
    names for each input what the other model refused: "missing", "infinite" or "unknown" values.
    """

    batched = True

    def __init__(self, session: Any, run: Any, signature: Signature, stands_for: Mapping[str, Any]) -> None:
        self.model = session
        self._signature = signature
        self._run = run
        specs = {spec.name: spec for spec in signature.inputs}
        refuse = stands_for.get("refuse", {})
        self._feeds = [_feed(feed, specs) for feed in stands_for["feeds"]]
        self._names = [feed["name"] for feed in stands_for["feeds"]]
        self._checks = [(name, check) for name in refuse for check in _checks(specs[name], refuse[name])]
        self._outputs = [answer["output"] for answer in stands_for["answers"]]
        outputs = {spec.name: spec for spec in signature.outputs}
        self._answers = [_answer(outputs[answer["name"]]) for answer in stands_for["answers"]]
        self._answer_names = [answer["name"] for answer in stands_for["answers"]]

    def signature(self) -> Signature:
        return self._signature

    def predict(self, inputs: Any) -> Dict[str, np.ndarray]:
        given = inputs if isinstance(inputs, Mapping) else {str(name): inputs[name].to_numpy() for name in inputs}
        for name, check in self._checks:
            if name in given:
                check(given[name])
        feeds = {name: feed(given) for name, feed in zip(self._names, self._feeds)}
        results = self._run(self._outputs, feeds, None)
        return {name: answer(result) for name, answer, result in zip(self._answer_names, self._answers, results)}


# What goes in.


def _feed(told: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> Callable[[Mapping[str, np.ndarray]], Any]:
    dtype, names = NUMPY[told["datatype"]], list(told["inputs"])
    if dtype.kind == "O":
        return lambda given: _texts(names[0], given, stacked=bool(told["stacked"]))
    if len(names) == 1 and (not told["stacked"] or len(specs[names[0]].shape) > 1):
        name = names[0]
        return lambda given: np.ascontiguousarray(given[name], dtype)
    if len(names) == 1:
        return lambda given: _columns(names, given, dtype).reshape(-1, 1)
    return lambda given: _columns(names, given, dtype)


def _columns(names: Sequence[str], given: Mapping[str, np.ndarray], dtype: Any) -> np.ndarray:
    """Columns side by side; one that was left out is missing in every row.

    Raises:
        InvalidInput: nothing was sent.
    """
    if not given:
        raise InvalidInput(f"no input was sent; the model has {', '.join(map(repr, names[:20]))}")
    count = len(next(iter(given.values())))
    rows = np.empty((count, len(names)), dtype)
    for place, name in enumerate(names):
        column = given.get(name)
        rows[:, place] = np.nan if column is None else column if column.ndim == 1 else column.reshape(count)
    return rows


def _texts(name: str, given: Mapping[str, np.ndarray], *, stacked: bool) -> np.ndarray:
    array = given.get(name)
    if array is None:
        array = np.full(len(next(iter(given.values()))), "", object)
    array = values.text(name, array)
    return array.reshape(len(array), -1) if stacked else array


# What is refused.


def _checks(spec: TensorSpec, refused: Sequence[str]) -> List[Check]:
    made: List[Check] = []
    # One look at the sum tells for nearly all: only then each value is looked at.
    if NUMPY[spec.datatype].kind == "f" and ("missing" in refused or "infinite" in refused):
        made.append(_finite(spec.name, missing="missing" in refused, infinite="infinite" in refused))
    if NUMPY[spec.datatype].kind == "O" and "missing" in refused:
        made.append(_present(spec.name))
    if "unknown" in refused:
        made.append(_known(spec))
    return made


def _finite(name: str, *, missing: bool, infinite: bool) -> Check:
    def check(array: np.ndarray) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = array.astype(np.float32)  # as models do: what is too large for it counts as infinite
        if np.isfinite(narrow.sum()):
            return
        if (missing and bool(np.isnan(narrow).any())) or (infinite and bool(np.isinf(narrow).any())):
            raise InvalidInput(f"input {name!r}: the model takes no missing or infinite values", field=name)

    return check


def _present(name: str) -> Check:
    def check(array: np.ndarray) -> None:
        if any(item is None for item in array.ravel().tolist()):
            raise InvalidInput(f"input {name!r}: the model takes no missing values", field=name)

    return check


def _known(spec: TensorSpec) -> Check:
    dtype, name = NUMPY[spec.datatype], spec.name
    known = frozenset(label if dtype.kind == "O" else float(label) for label in spec.labels)

    def check(array: np.ndarray) -> None:
        for item in array.ravel().tolist():
            value = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
            if value not in known and value is not None and value == value:  # noqa: PLR0124  # NaN is another matter
                raise InvalidInput(f"input {name!r}: {value!r} is not a value that the model knows", field=name)

    return check


# What comes out.


def _answer(spec: TensorSpec) -> Callable[[Any], np.ndarray]:
    """Of the datatype and the number of axes that clients know."""
    dtype, rank = NUMPY[spec.datatype], len(spec.shape)

    def answer(result: Any) -> np.ndarray:
        array: np.ndarray = np.asarray(result)
        if array.ndim == rank + 1 and array.shape[-1] == 1:
            array = array[..., 0]
        if array.dtype == dtype:
            return array
        return array.astype(dtype)

    return answer
