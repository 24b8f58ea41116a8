"""Handlers of Multi-Model-Server and TorchServe, unchanged: ``handle(data, context)`` or a class with it."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import LoadError, ServerError
from modelbuild_runtime.handler.folders import together
from modelbuild_runtime.handler.mms_context import Context
from modelbuild_runtime.manifest import Manifest
from modelbuild_runtime.request import RawAnswer, RawItem

FOREIGN = Path(__file__).parent / "foreign"
"""Holds the packages ``ts`` and ``mms``, for handlers that import them where those servers are not installed."""

_FORMS = ("multipart/", "application/x-www-form-urlencoded")

Handle = Callable[[Any, Context], Any]


class TorchServePipeline:
    """Calls ``handle`` with a list of requests, one dict each, as those servers do."""

    wants = "raw"

    def __init__(self, handle: Handle, context: Context, batch_size: int) -> None:
        self._handle = handle
        self._context = context
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
        self._context.begin(inputs)
        try:
            results = self._handle([decoded(item) for item in inputs], self._context)
        except Exception as error:
            raise _as_told(error) from error
        if not isinstance(results, (list, tuple)):
            raise TypeError(f"handle returned a {type(results).__name__}; it returns a list with one entry a request")
        if len(results) != len(inputs):
            raise ValueError(f"handle returned {len(results)} entries for {len(inputs)} requests")
        return [_answer(result, self._context, index) for index, result in enumerate(results)]


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
    batch_size = int(manifest.runtime.options.get("batch_size", 1))
    model_dir = together(folder, root / handler.path) if handler is not None else folder
    context = Context(manifest.model.name, str(model_dir), _manifest(manifest, folder), batch_size)
    try:
        handle = _entry(module, function, context)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"the handler {module.__name__} failed to initialize: {type(error).__name__}: {error}"
        ) from error
    return TorchServePipeline(handle, context, batch_size)


def decoded(item: RawItem) -> Dict[str, Any]:
    """One request as those servers hand it over: parsed JSON, text, bytes, or the fields of a form."""
    fields = {name: bytearray(value) if isinstance(value, bytes) else value for name, value in item.fields.items()}
    kind = item.content_type.partition(";")[0].strip().lower()
    body = fields.get("body")
    if kind.startswith(_FORMS) or not isinstance(body, bytearray):
        return fields
    if kind == "application/json" or kind.endswith("+json"):
        try:
            fields["body"] = json.loads(body)
        except ValueError:
            return fields
    elif kind.startswith("text/"):
        fields["body"] = body.decode("utf-8", "replace")
    return fields


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


def _manifest(manifest: Manifest, folder: Path) -> Dict[str, Any]:
    """The archive's own manifest where the model came as one; else one that says the same."""
    archived = folder / "MAR-INF" / "MANIFEST.json"
    if archived.is_file():
        found: Dict[str, Any] = json.loads(archived.read_bytes())
        return found
    model = {
        "modelName": manifest.model.name,
        "modelVersion": manifest.model.version,
        "handler": manifest.handler.module if manifest.handler else "",
        "serializedFile": Path(manifest.model.path).name,
    }
    return {"runtime": "python", "model": model, "archiverVersion": "0.12.0"}


def _answer(result: Any, context: Context, index: int) -> RawAnswer:
    status, _ = context.get_response_status(index)
    headers = dict(context.get_response_headers(index))
    body, kind = _encoded(result)
    content_type = headers.pop("content-type", kind)
    return RawAnswer(body, content_type, status=status, headers=tuple(headers.items()))


def _encoded(result: Any) -> tuple[bytes, str]:
    if isinstance(result, (bytes, bytearray)):
        return bytes(result), "application/octet-stream"
    if isinstance(result, str):
        return result.encode(), "text/plain; charset=utf-8"
    return json.dumps(result, indent=2, default=_plain).encode(), "application/json"


def _plain(value: Any) -> Any:
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"handle returned a {type(value).__name__}, which is not JSON")


def _as_told(error: Exception) -> Exception:
    """``PredictionException(message, error_code)`` is what a handler says to the client; anything else is a failure."""
    if type(error).__name__ != "PredictionException":
        return error
    told = ServerError(str(getattr(error, "message", error)))
    told.status = int(getattr(error, "error_code", 500))
    told.code = "prediction_failed"
    return told
