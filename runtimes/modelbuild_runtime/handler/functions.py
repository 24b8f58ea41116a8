"""Handlers of plain functions: preprocess, postprocess, predict and load, put around the engine."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Union

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.handler.annotations import Parameters, Takes, parameters
from modelbuild_runtime.handler.answers import Answer
from modelbuild_runtime.handler.entry import Entry, entry, model_entry
from modelbuild_runtime.handler.explaining import explained, of_features
from modelbuild_runtime.handler.leave import Leave, leave
from modelbuild_runtime.handler.module import cure
from modelbuild_runtime.handler.shaping import Shaper
from modelbuild_runtime.handler.streaming import Generate, StreamingPipeline, check, yields
from modelbuild_runtime.metrics.marks import Marks
from modelbuild_runtime.signature import Signature

Parts = Optional[Mapping[str, Any]]


class Context(msgspec.Struct, frozen=True):
    """What ``load`` is given: where the model and the handler's files are, and what the server knows of them."""

    model: Path
    handler: Path
    name: str = ""
    version: str = ""
    threads: int = 1
    options: Dict[str, Any] = {}


class Model(NamedTuple):
    """The model as a pipeline needs it: the framework's own object, and the engine's predict where an engine loaded it.
    ``by_row`` where the leading axis counts rows.
    """

    model: Any
    signature: Signature
    predict: Any
    by_row: bool


class Stage(NamedTuple):
    """One function of the handler and what its parameters say."""

    function: Callable[..., Any]
    parameters: Parameters

    def call(self, *arguments: Any, given: Parts) -> Any:
        """Call it; a parameter named ``parameters`` gets those of the request."""
        if self.parameters.keywords:
            return self.function(*arguments, parameters=_own(given))
        return self.function(*arguments)

    def called(self) -> Callable[[Any, Parts], Any]:
        """How to call it with one argument: decided once, since records are passed one at a time."""
        function = self.function
        if self.parameters.keywords:
            return lambda argument, given: function(argument, parameters=_own(given))
        return lambda argument, _given: function(argument)


class FunctionsPipeline:
    """preprocess -> predict -> postprocess, each by the row or by the batch; explain in place of the last two."""

    guessed = False

    def __init__(
        self,
        start: Entry,
        features: Callable[[Any, Parts], Any],
        predict: Callable[[Any, Parts], Any],
        end: Leave,
        explain: Optional[Callable[[Any, Parts], Any]] = None,
    ) -> None:
        self.wants = start.wants
        self.convert = start.convert
        self.rows = start.rows
        self.key = start.key
        self._entry = start
        self._features = features
        self._predict = predict
        self._leave = end
        self._explain = explain
        self.marks = Marks()
        self.explains = explain is not None
        self.contract = Contract(start.inputs, end.outputs, start.open, end.batched, start.schema, row=start.row)
        self.batchable = end.batched

    def run(self, inputs: Any, parameters: Parts = None) -> Answer:
        count = _count(inputs, self.wants) if self.contract.batched else -1
        if not count:
            return []
        taken = self._entry.enter(inputs)
        features = self._features(taken, parameters)
        self.marks.began = monotonic()
        outputs = self._predict(features, parameters)
        self.marks.ended = monotonic()
        return self._leave.answer(outputs, taken, count, parameters)

    def explain(self, inputs: Any, parameters: Parts = None) -> List[Any]:
        count = _count(inputs, self.wants) if self.contract.batched else 1
        if not count or self._explain is None:
            return []
        features = self._features(self._entry.enter(inputs), parameters)
        self.marks.began = monotonic()
        found = self._explain(features, parameters)
        self.marks.ended = monotonic()
        return explained(found, count)


def only_builds(module: ModuleType) -> bool:
    """Whether the handler has nothing but the code of the model, which its engine calls."""
    stages = ("load", "preprocess", "predict", "postprocess", "explain")
    return hasattr(module, "build_model") and not any(hasattr(module, name) for name in stages)


def functions_pipeline(
    module: ModuleType, context: Context, open_model: Callable[[], Model], declared: Signature
) -> Union[FunctionsPipeline, StreamingPipeline]:
    """Put the handler's functions around the model. ``open_model`` is not called where the handler loads its own.

    Raises:
        LoadError: no function to call, or one with a signature that cannot be called.
    """
    pre, predict, post, explain = (
        _stage(module, "preprocess", 1, 1),
        _stage(module, "predict", 2, 2, may_yield=True),
        _stage(module, "postprocess", 1, 2),
        _stage(module, "explain", 2, 2),
    )
    if not (pre or predict or post):
        raise LoadError(
            f"the handler {module.__name__} has none of the functions preprocess, predict and postprocess",
            "Define at least one of them.",
        )
    own = _loaded(module, context, predict)
    model = Model(own, declared, None, True) if own is not None else open_model()
    start = _start(pre, predict, model.signature)
    raw = predict is not None
    features = _features(pre, start, Shaper(Signature() if raw else model.signature), raw)
    if predict is not None and yields(predict.function):
        check(predict.parameters.takes(1), start, post=post is not None)
        return StreamingPipeline(start, features, _generate(predict, model))
    call = _own_predict(predict, model, start, pre) if predict else _model_predict(model, start)
    outputs = () if predict else model.signature.outputs
    batched = start.wants == "rows" or model.by_row or raw or _one_at_a_time(model.signature)
    if start.inputs and start.inputs == model.signature.inputs and not model.by_row:
        batched = False
    pipeline = FunctionsPipeline(
        start,
        features,
        call,
        leave(post, start, outputs, batched=batched, from_engine=predict is None),
        _explain(explain, model, start, pre, raw=raw) if explain else None,
    )
    pipeline.guessed = model.signature.columns and not declared.inputs and start.inputs == model.signature.inputs
    return pipeline


def _stage(module: ModuleType, name: str, least: int, most: int, *, may_yield: bool = False) -> Optional[Stage]:
    function = getattr(module, name, None)
    if function is None:
        return None
    return Stage(function, parameters(name, function, least, most, may_yield=may_yield))


def _loaded(module: ModuleType, context: Context, predict: Optional[Stage]) -> Any:
    """What ``load`` returned: the model, for a handler that predicts by itself. Otherwise it only prepares."""
    stage = _stage(module, "load", 0, 1)
    if stage is None:
        return None
    takes_context = stage.parameters.names or stage.parameters.variadic
    try:
        model = stage.function(*((context,) if takes_context else ()))
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"load of the handler failed: {type(error).__name__}: {error}", cure(error)) from error
    if model is not None and predict is None:
        raise LoadError(
            "load of the handler returned a model, but there is no function to run it",
            "Define predict(model, inputs), or return nothing from load to use the packaged model.",
        )
    return model


def _start(pre: Optional[Stage], predict: Optional[Stage], signature: Signature) -> Entry:
    if pre is not None:
        return entry(pre.parameters.takes(0), signature)
    takes = predict.parameters.takes(1) if predict is not None else Takes()
    return entry(takes, signature) if takes.kind else model_entry(signature)


def _features(pre: Optional[Stage], start: Entry, shaper: Shaper, raw: bool) -> Callable[[Any, Parts], Any]:
    """Preprocess, and its result as the engine takes it. A handler's own predict gets what was returned."""
    if pre is None:
        return lambda taken, _: taken
    call = pre.called()
    if start.by_row and raw:
        return lambda taken, given: [call(record, given) for record in taken]
    if start.by_row:
        return lambda taken, given: shaper.stack([call(record, given) for record in taken])
    return call if raw else lambda taken, given: shaper.batch(call(taken, given))


def _own_predict(stage: Stage, model: Model, start: Entry, pre: Optional[Stage]) -> Callable[[Any, Parts], Any]:
    """The handler's predict. After a preprocess by row it gets one batch, unless its annotation asks for rows."""
    takes = stage.parameters.takes(1)
    if takes.by_row:
        return lambda features, given: [stage.call(model.model, item, given=given) for item in features]
    if start.by_row and pre is not None and takes.kind != "records":
        stack = Shaper(Signature()).stack
        return lambda features, given: stage.call(model.model, _joined(stack(features)), given=given)
    return lambda features, given: stage.call(model.model, features, given=given)


def _generate(stage: Stage, model: Model) -> Generate:
    """The handler's predict that yields: one call a row."""
    return lambda item, given: stage.call(model.model, item, given=given)


def _explain(
    stage: Stage, model: Model, start: Entry, pre: Optional[Stage], *, raw: bool
) -> Callable[[Any, Parts], Any]:
    """The handler's explain gets what predict would get, the handler's own or the engine's."""
    if raw:
        return _own_predict(stage, model, start, pre)
    return of_features(
        stage.parameters.takes(1), lambda features, given: stage.call(model.model, features, given=given)
    )


def _own(given: Parts) -> Dict[str, Any]:
    """The request's parameters for one call, which may change them: others have the same."""
    return copy.deepcopy(dict(given)) if given else {}


def _joined(features: Any) -> Any:
    """Without names, the array itself: what preprocess returned for a row, with rows in front."""
    return features["input"] if isinstance(features, dict) and list(features) == ["input"] else features


def _model_predict(model: Model, start: Entry) -> Callable[[Any, Parts], Any]:
    run = model.predict if model.by_row or not _one_at_a_time(model.signature) else functools.partial(_each, model)
    sent = {spec.name for spec in start.inputs}

    def predict(features: Any, _: Parts) -> Any:
        try:
            return run(features)
        except InvalidInput as error:
            # What the client did not send by that name is the handler's own making.
            if error.field in sent:
                raise
            raise ValueError(f"the model refuses what preprocess returned: {error.message}") from error

    return predict


def _each(model: Model, features: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """A model of one item a run, over the rows of a batch."""
    counts = {array.shape[0] for array in features.values()}
    if counts == {1} or len(counts) > 1:
        outputs: Dict[str, np.ndarray] = model.predict(features)
        return outputs
    results = [model.predict({name: array[i : i + 1] for name, array in features.items()}) for i in range(counts.pop())]
    return {name: np.concatenate([result[name] for result in results]) for name in results[0]}


def _one_at_a_time(signature: Signature) -> bool:
    return bool(signature.inputs) and all(spec.shape[:1] == (1,) for spec in signature.inputs)


def _count(inputs: Any, wants: str) -> int:
    if wants == "rows":
        return len(inputs)
    for array in inputs.values():
        if array.ndim:
            return len(array)
    return 0
