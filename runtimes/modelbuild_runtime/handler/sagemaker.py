"""Handlers of SageMaker, unchanged: model_fn, input_fn, predict_fn and output_fn, or transform_fn."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, LoadError, ServerError, UnsupportedMediaType
from modelbuild_runtime.handler import sagemaker_bodies as bodies
from modelbuild_runtime.handler.annotations import parameters
from modelbuild_runtime.handler.functions import Model
from modelbuild_runtime.handler.mms_context import Context
from modelbuild_runtime.handler.module import cure
from modelbuild_runtime.handler.shaping import Shaper
from modelbuild_runtime.manifest import Manifest
from modelbuild_runtime.metrics.marks import Marks
from modelbuild_runtime.request import Parts, RawAnswer, RawItem

STEPS = ("input_fn", "predict_fn", "output_fn")
ARITY = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2, "transform_fn": 4, "pre_model_fn": 1}


class Functions(NamedTuple):
    """``transform`` takes the model, a body, its content type and what is accepted; it returns a body and its type.
    ``context`` is what functions that take one more argument get: the request's headers, and those of the answer.
    ``marks`` are made around predict_fn.
    """

    model: Any
    transform: Callable[[Any, Any, str, str], Any]
    context: Context
    marks: Marks


class SageMakerPipeline:
    """One body in, one body out."""

    wants = "raw"
    batchable = False
    streams = True  # whether it does shows when a function returns a generator

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self.marks = functions.marks
        self.contract = Contract(open=True, batched=False)

    def convert(self, items: List[Any]) -> List[Any]:
        return items

    def rows(self, columns: Mapping[str, np.ndarray]) -> List[Any]:  # noqa: ARG002  # never asked: wants raw bodies
        return []

    def run(
        self,
        inputs: Sequence[RawItem],
        parameters: Optional[Mapping[str, Any]] = None,  # noqa: ARG002  # such handlers know none
    ) -> List[RawAnswer]:
        return [self._answer(item) for item in inputs]

    def stream(
        self,
        inputs: Sequence[RawItem],
        parameters: Optional[Mapping[str, Any]] = None,  # noqa: ARG002  # such handlers know none
    ) -> Union[Parts, List[Any]]:
        answer = self._transformed(inputs[0])
        if isinstance(answer.body, Iterator):
            return Parts(map(_bytes, answer.body), answer.content_type, answer.status, answer.headers)
        answer.body = _bytes(answer.body)
        return [answer]

    def _answer(self, item: RawItem) -> RawAnswer:
        answer = self._transformed(item)
        whole = b"".join(map(_bytes, answer.body)) if isinstance(answer.body, Iterator) else _bytes(answer.body)
        answer.body = whole
        return answer

    def _transformed(self, item: RawItem) -> RawAnswer:
        """The answer with its body as the handler made it."""
        content_type = item.content_type or bodies.JSON
        accept = item.accept if item.accept not in {"", "*/*"} else bodies.JSON
        model, transform, context, _ = self._functions
        context.begin([item])
        try:
            result = transform(model, _body(item, content_type), content_type, accept)
        except Exception as error:
            raise _as_told(error) from error
        body, kind = result if isinstance(result, (tuple, list)) and len(result) == 2 else (result, accept)
        headers = dict(context.get_response_headers(0))
        kind = headers.pop("content-type", str(kind))
        return RawAnswer(body, kind, status=context.get_response_status(0)[0], headers=tuple(headers.items()))


def sagemaker_pipeline(
    module: ModuleType, manifest: Manifest, root: Path, open_model: Callable[[], Model]
) -> SageMakerPipeline:
    """Load the model with the module's functions. ``open_model`` is called where it has no model_fn.

    Raises:
        LoadError: none of the functions is there, two exclude each other, or loading fails.
    """
    found = {name: _function(module, name) for name in ARITY if hasattr(module, name)}
    if not any(name in found for name in (*STEPS, "model_fn", "transform_fn")):
        raise LoadError(
            f"the handler {module.__name__} has none of the functions model_fn, transform_fn, {', '.join(STEPS)}"
        )
    both = [name for name in STEPS if name in found]
    if "transform_fn" in found and both:
        raise LoadError(f"the handler has transform_fn and {both[0]}; transform_fn replaces the three others")
    context = Context(manifest.model.name, str((root / manifest.model.path).parent), {})
    try:
        model, predict = _model(found, context, open_model)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"model_fn of the handler failed: {type(error).__name__}: {error}", cure(error)) from error
    marks = Marks()
    return SageMakerPipeline(Functions(model, _transform(found, predict, context, marks), context, marks))


Function = Callable[..., Any]


def _function(module: ModuleType, name: str) -> Function:
    """A function that may take the context as one more argument, as the toolkit allows."""
    function: Function = getattr(module, name)
    arity = ARITY[name]
    taken = parameters(name, function, arity, arity + 1, may_yield=name in {"transform_fn", "output_fn"})
    return function if len(taken.names) > arity else lambda *arguments: function(*arguments[:arity])


def _model(
    found: Mapping[str, Function], context: Context, open_model: Callable[[], Model]
) -> Tuple[Any, Callable[[Any, Any], Any]]:
    """The model, and how to predict with it where the handler does not say."""
    folder = context.system_properties["model_dir"]
    if "pre_model_fn" in found:
        found["pre_model_fn"](folder, context)
    if "model_fn" in found:
        return found["model_fn"](folder, context), _predict
    model = open_model()
    shaper = Shaper(model.signature)
    names = [spec.name for spec in model.signature.outputs]

    def predict(data: Any, _model: Any) -> Any:
        outputs: Dict[str, np.ndarray] = model.predict(shaper.batch(data))
        return outputs[names[0]] if len(names) == 1 else outputs

    return model.model, predict


def _predict(data: Any, model: Any) -> Any:
    """What the framework containers do: the model's predict, or the model itself."""
    return model.predict(data) if hasattr(model, "predict") else model(data)


def _transform(
    found: Mapping[str, Function], predict: Callable[[Any, Any], Any], context: Context, marks: Marks
) -> Callable[[Any, Any, str, str], Any]:
    if "transform_fn" in found:
        whole = found["transform_fn"]
        return lambda model, body, kind, accept: whole(model, body, kind, accept, context)
    read: Function = found.get("input_fn", lambda body, kind, _context: bodies.read(body, kind))
    call: Function = found.get("predict_fn", lambda data, model, _context: predict(data, model))
    write: Function = found.get("output_fn", lambda prediction, accept, _context: bodies.write(prediction, accept))

    def transform(model: Any, body: Any, content_type: str, accept: str) -> Any:
        data = read(body, content_type, context)
        marks.began = monotonic()
        prediction = call(data, model, context)
        marks.ended = monotonic()
        return write(prediction, accept, context)

    return transform


def _body(item: RawItem, content_type: str) -> Any:
    """Text for JSON and CSV, bytes for everything else."""
    if "body" not in item.fields:
        raise UnsupportedMediaType("this model's handler takes a body, not a form")
    body = item.fields["body"]
    if bodies.media(content_type) not in bodies.TEXT or isinstance(body, str):
        return body if isinstance(body, str) else bytes(body)
    try:
        return bytes(body).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the body is not UTF-8") from error


def _as_told(error: Exception) -> Exception:
    """The toolkit's own errors are what a handler says to the client; anything else is a failure."""
    status = getattr(error, "status_code", None)
    if not type(error).__module__.startswith("sagemaker_inference") or not isinstance(status, int):
        return error
    told = ServerError(str(getattr(error, "message", error)))
    told.status, told.code = status, "prediction_failed"
    return told


def _bytes(body: Any) -> bytes:
    """The body of an answer: text, bytes, or a response object that holds one."""
    if hasattr(body, "get_data"):
        body = body.get_data()
    elif hasattr(body, "response"):
        body = body.response
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"output_fn returned a {type(body).__name__}; it returns text or bytes, and may add a content type")
