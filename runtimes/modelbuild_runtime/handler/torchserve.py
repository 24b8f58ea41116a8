"""Handlers of Multi-Model-Server and TorchServe, unchanged: ``handle(data, context)`` or a class with it."""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
import threading
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, Generator, Iterator, List, Mapping, Optional, Sequence, Union

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import LoadError, PredictionFailed, ServerError
from modelbuild_runtime.handler.archive import archived, configuration, gives_parts
from modelbuild_runtime.handler.folders import together
from modelbuild_runtime.handler.mms_context import Context, field_types
from modelbuild_runtime.handler.pushed_parts import Pushed
from modelbuild_runtime.manifest import Manifest
from modelbuild_runtime.request import Parts, RawAnswer, RawItem

FOREIGN = Path(__file__).parent / "foreign"
"""Holds the packages ``ts`` and ``mms``, for handlers that import them where those servers are not installed."""

_DECODE = ("TS_DECODE_INPUT_REQUEST", "MMS_DECODE_INPUT_REQUEST")
"""Variables of those servers' workers: "false" where a handler wants bytes whatever the content type says."""

_OK, _BAD, _LAST = 200, 400, 599
"""Statuses that an answer, and an error, may have."""
_BODILESS = {204, 205, 304}

logger = logging.getLogger(__name__)

Handle = Callable[[Any, Context], Any]


class TorchServePipeline:
    """Calls ``handle`` with a list of requests, one dict each, as those servers do. It ``explains``: as in TorchServe
    the handler is asked to with a header, and whether it looks at that is its own affair.
    """

    wants = "raw"
    explains = True

    def __init__(
        self, handle: Handle, context: Context, batch_size: int = 1, *, decodes: bool = True, streams: bool = False
    ) -> None:
        self._handle = handle
        self._context = context
        self._size = batch_size
        self._decodes = decodes
        self._alone = threading.Lock()
        self.streams = streams
        self.contract = Contract(open=True, batched=False)
        self.batchable = batch_size > 1

    def convert(self, items: List[Any]) -> List[Any]:
        return items

    def rows(self, columns: Mapping[str, np.ndarray]) -> List[Any]:  # noqa: ARG002  # never asked: wants raw bodies
        return []

    def run(
        self,
        inputs: Sequence[RawItem],
        parameters: Optional[Mapping[str, Any]] = None,  # noqa: ARG002  # such handlers know none
    ) -> List[RawAnswer]:
        answers: List[RawAnswer] = []
        for start in range(0, len(inputs), self._size):
            with self._alone:
                answers += self._batch(inputs[start : start + self._size])
        return answers

    def explain(
        self,
        inputs: Sequence[RawItem],
        parameters: Optional[Mapping[str, Any]] = None,
    ) -> List[RawAnswer]:
        """The items say themselves that they want explanations."""
        return self.run(inputs, parameters)

    def stream(
        self,
        inputs: Sequence[RawItem],
        parameters: Optional[Mapping[str, Any]] = None,  # noqa: ARG002  # such handlers know none
    ) -> Union[Parts, List[RawAnswer]]:
        """Whether the answer comes in parts shows when the handler gives one; what it returns then is the last."""
        parts = Pushed(lambda take: self._batch(inputs, take)[0], self._alone).parts()
        try:
            first = next(parts)
        except StopIteration as end:
            return [end.value]
        processor = self._context.request_processor[0]
        headers = dict(processor.get_response_headers())
        body, kind = _encoded(first)
        content_type = headers.pop("content-type", kind)
        return Parts(chain((body,), _rest(parts)), content_type, processor.status, tuple(headers.items()))

    def _batch(self, items: Sequence[RawItem], take: Optional[Callable[[Any], None]] = None) -> List[RawAnswer]:
        """As many requests as the handler was promised at most; ``take`` gets the parts of the only one."""
        context = self._context
        context.begin(items)
        if take is not None:
            context.request_processor[0].take = take
        try:
            results = self._handle([decoded(item) if self._decodes else _bytes(item) for item in items], context)
        except Exception as error:
            raise _as_told(error) from error
        if not isinstance(results, (list, tuple)):
            raise _no_answer(
                "Invalid model predict output", f"handle returned a {type(results).__name__}, not a list of answers"
            )
        if len(results) != len(items):
            raise _no_answer(
                "number of batch response mismatched",
                f"handle returned {len(results)} answers to {len(items)} requests",
            )
        return [_answer(result, context, index) for index, result in enumerate(results)]


def _rest(parts: Generator[Any, None, RawAnswer]) -> Iterator[bytes]:
    """The parts after the first, and what the handler returned."""
    while True:
        try:
            part = next(parts)
        except StopIteration as end:
            yield end.value.body
            return
        yield _encoded(part)[0]


def add_foreign_packages() -> None:
    """At the end of the path: a real ``ts`` or ``mms`` that is installed comes first."""
    if str(FOREIGN) not in sys.path:
        sys.path.append(str(FOREIGN))


def torchserve_pipeline(module: ModuleType, function: str, manifest: Manifest, root: Path) -> TorchServePipeline:
    """Initialize the module's handler.

    Raises:
        LoadError: the module has no handler, or initializing it fails.
    """
    handler = manifest.handler
    folder = (root / manifest.model.path).parent
    model_dir = together(folder, root / handler.path) if handler is not None else folder
    about = archived(manifest, folder)
    config = configuration(about, model_dir)
    # TS_BATCH_SIZE is set where config.properties says it
    said = manifest.runtime.options.get("batch_size") or os.environ.get("TS_BATCH_SIZE") or config.get("batchSize") or 1
    batch_size = int(said)
    context = Context(manifest.model.name, str(model_dir), about, batch_size, model_yaml_config=config)
    try:
        handle = _entry(module, function, context)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"the handler {module.__name__} failed to initialize: {type(error).__name__}: {error}"
        ) from error
    decodes = all(os.environ.get(name, "true") == "true" for name in _DECODE)
    streams = handler is not None and gives_parts(root / handler.path)
    return TorchServePipeline(handle, context, batch_size, decodes=decodes, streams=streams)


def decoded(item: RawItem) -> Dict[str, Any]:
    """One request as those servers hand it over: each field by its own content type parsed JSON, text, or bytes."""
    types = field_types(item)
    return {name: _decoded(value, types.get(name, "").lower()) for name, value in item.fields.items()}


def _decoded(value: bytes, kind: str) -> Any:
    """What cannot be read as its content type says stays bytes, as in TorchServe."""
    try:
        if kind == "application/json":
            return json.loads(value.decode())
        if kind.startswith("text/"):
            return value.decode()
    except (ValueError, RecursionError):
        logger.warning("a field is not %s, as its content type says: the handler gets its bytes", kind)
    return bytearray(value)


def _bytes(item: RawItem) -> Dict[str, Any]:
    return {name: bytearray(value) for name, value in item.fields.items()}


def _entry(module: ModuleType, name: str, context: Context) -> Handle:
    """The function, called once to initialize; else the only class that handles."""
    function = getattr(module, name, None)
    if inspect.isfunction(function):
        function(None, context)
        return function
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and callable(getattr(value, "handle", None))
    ]
    if len(classes) != 1:
        names = ", ".join(value.__name__ for value in classes) or "none"
        raise LoadError(
            f"the handler {module.__name__} has no function handle(data, context), and not one class with it ({names})",
            "Keep one class with initialize(context) and handle(data, context), or define handle(data, context).",
        )
    service: Any = classes[0]()
    initialize = getattr(service, "initialize", None)
    if initialize is not None:
        initialize(context)
    handle: Handle = service.handle
    return handle


def _answer(result: Any, context: Context, index: int) -> RawAnswer:
    """What the handler returned for one request, after the parts that it gave before."""
    status, _ = context.get_response_status(index)
    if not _OK <= status <= _LAST:
        raise _no_answer("Prediction failed", f"the handler set the status {status}, which no answer can have")
    headers = dict(context.get_response_headers(index))
    body, kind = _encoded(result)
    parts = context.request_processor[index].parts
    if parts:
        body = b"".join([*(_encoded(part)[0] for part in parts), body])
    content_type = headers.pop("content-type", kind)
    if status in _BODILESS:
        body, content_type = b"", ""
    return RawAnswer(body, content_type, status=status, headers=tuple(headers.items()))


def _encoded(result: Any) -> tuple[bytes, str]:
    if isinstance(result, (bytes, bytearray)):
        return bytes(result), "application/octet-stream"
    if isinstance(result, str):
        return result.encode(), "text/plain; charset=utf-8"
    try:
        return json.dumps(result, indent=2, default=_plain).encode(), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise _no_answer("Unsupported model output data type.", f"handle returned what is not JSON: {error}") from None


def _plain(value: Any) -> Any:
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"a {type(value).__name__}")


def _as_told(error: Exception) -> Exception:
    """``PredictionException(message, error_code)`` is what a handler says to the client; anything else is a failure."""
    if type(error).__name__ != "PredictionException":
        return error
    told = ServerError(str(getattr(error, "message", error)))
    code = getattr(error, "error_code", 500)
    told.status = code if isinstance(code, int) and _BAD <= code <= _LAST else 500
    told.code = PredictionFailed.code
    return told


def _no_answer(told: str, logged: str) -> PredictionFailed:
    """What the handler returned cannot be sent: the client is told in the words of those servers, the log more."""
    logger.error("%s", logged)
    return PredictionFailed(told)
