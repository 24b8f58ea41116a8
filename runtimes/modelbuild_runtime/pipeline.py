"""From neutral inputs to neutral outputs: the handler's preprocess, the engine, the handler's postprocess.

``load_pipeline`` is the only place that knows how engines and handlers are put together; the dataplane sees ``run``.
Of the ways in which handlers are written, the one that is needed is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import partial
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, Optional, cast

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.pipeline import Pipeline
from modelbuild_runtime.engines import AskedEngine, Engine, EngineOptions, Predicted, RowsEngine, WritingEngine
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.fixed_rows import FixedRows, Predict, fixed_size, freed, rows_are_apart
from modelbuild_runtime.handler.entry import open_rows
from modelbuild_runtime.handler.functions import Context, Model, functions_pipeline, only_builds
from modelbuild_runtime.handler.module import import_handler, lend_to_main
from modelbuild_runtime.manifest import Handler, Manifest
from modelbuild_runtime.metrics.marks import Marks
from modelbuild_runtime.request import Parts
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import NUMPY

Seen = Callable[[Engine], Engine]
"""Is given the engine once it is loaded, and returns what is used in its place: it, or one that looks on."""

_GIVEN_THE_MODEL = ("predict", "explain", "predict_fn", "transform_fn")
"""Functions of handlers that get the framework's own object."""


class ModelPipeline:
    """A model without a handler: its contract is its signature, but for a number of rows that the model insists on."""

    wants = "columns"
    guessed = False

    def __init__(self, engine: Engine, signature: Signature) -> None:
        self._predict: Callable[[Mapping[str, np.ndarray]], Predicted] = engine.predict
        self.marks = Marks()
        batched = row_counted(engine, signature)
        size = 0 if batched else fixed_size(signature)
        fixed = cast("Predict", engine.predict)  # what is made for so many rows answers arrays
        self._size = 0
        if size and rows_are_apart(fixed, signature, size):
            signature, batched, self._size = freed(signature), True, size
            self._predict = FixedRows(fixed, size)
        self.contract = Contract(
            signature.inputs,
            signature.outputs,
            open=not signature.inputs,
            batched=batched,
            example=getattr(engine, "example", {}),
            parameters=getattr(engine, "parameters", {}),
            answers=getattr(engine, "answers", {}),
        )
        self.batchable = batched
        self.one_at_a_time = size == 1

    def convert(self, items: List[Any]) -> List[Any]:
        return items

    def rows(self, columns: Mapping[str, np.ndarray]) -> List[Any]:
        return open_rows(columns)

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        parameters: Optional[Mapping[str, Any]] = None,
    ) -> Predicted:
        if self.contract.batched and any(array.shape[:1] == (0,) for array in inputs.values()):
            return empty(self.contract)
        self.marks.began = monotonic()
        outputs = self._run(inputs, parameters)
        self.marks.ended = monotonic()
        return outputs

    def _run(
        self,
        inputs: Mapping[str, np.ndarray],
        _parameters: Optional[Mapping[str, Any]],  # most models take none
    ) -> Predicted:
        return self._predict(inputs)


class AskedPipeline(ModelPipeline):
    """A model whose answers hang on parameters. The dataplane joins only requests that have the same."""

    def __init__(self, engine: Any, signature: Signature) -> None:
        super().__init__(engine, signature)
        self._asked: AskedEngine = engine

    def _run(self, inputs: Mapping[str, np.ndarray], parameters: Optional[Mapping[str, Any]]) -> Predicted:
        if not parameters:
            return self._predict(inputs)
        asked: Predict = partial(self._asked.predict, parameters=parameters)
        return FixedRows(asked, self._size)(inputs) if self._size else asked(inputs)


class WritingPipeline(AskedPipeline):
    """A model that makes its answers piece by piece: whoever asks for parts gets them as they are made."""

    streams = True

    def __init__(self, engine: Any, signature: Signature) -> None:
        super().__init__(engine, signature)
        self._writing: WritingEngine = engine

    def stream(self, inputs: Mapping[str, np.ndarray], parameters: Optional[Mapping[str, Any]] = None) -> Parts:
        """The answer to one row."""
        self.marks.began = monotonic()
        return Parts(self._writing.stream(inputs, parameters))


class RowsPipeline(WritingPipeline):
    """A model that checks its rows by itself. In protocols of tensors they have the signature's inputs alone."""

    wants = "rows"

    def __init__(self, engine: Any, signature: Signature) -> None:
        super().__init__(engine, signature)
        self._rows: RowsEngine = engine
        self.contract = msgspec.structs.replace(self.contract, record=engine.record)

    def convert(self, items: List[Any]) -> List[Any]:
        return self._rows.convert(items)

    def rows(self, columns: Mapping[str, np.ndarray]) -> List[Any]:
        return self._rows.convert(open_rows(columns))

    def run(self, inputs: Any, parameters: Optional[Mapping[str, Any]] = None) -> Predicted:
        return super().run(self._fields(inputs), parameters)

    def stream(self, inputs: Any, parameters: Optional[Mapping[str, Any]] = None) -> Parts:
        return super().stream(self._fields(inputs), parameters)

    def _fields(self, rows: List[Dict[str, Any]]) -> Dict[str, np.ndarray]:
        names = [name for name in self.contract.record["properties"] if any(name in row for row in rows)]
        found = {name: np.empty(len(rows), object) for name in names}
        for at, row in enumerate(rows):
            for name in names:
                found[name][at] = row.get(name)
        return found


def load_pipeline(manifest: Manifest, root: Path, threads: int = 1, seen: Seen = lambda engine: engine) -> Pipeline:
    """Load the model and the handler that the manifest names.

    Raises:
        LoadError: one of them cannot be loaded; the message says which and why.
    """
    if manifest.handler is None:
        return _alone(seen(load_engine(manifest, root, threads, examples=True)), manifest)
    return _handled(manifest, manifest.handler, root, threads, seen)


def _alone(engine: Engine, manifest: Manifest) -> ModelPipeline:
    asked = AskedPipeline if getattr(engine, "parameters", None) else ModelPipeline
    writes = RowsPipeline if hasattr(engine, "record") else WritingPipeline
    kind = writes if hasattr(engine, "stream") else asked
    pipeline = kind(engine, complete(engine.signature(), manifest.signature))
    pipeline.guessed = engine.signature().columns and not manifest.signature.inputs
    return pipeline


def _handled(manifest: Manifest, handler: Handler, root: Path, threads: int, seen: Seen) -> Pipeline:
    """The model with its handler around it. Handlers may bring their own model: then the engine is not loaded."""
    folder = root / handler.path
    name, _, function = handler.module.partition(":")
    if handler.style == "torchserve":
        from modelbuild_runtime.handler.torchserve import add_foreign_packages, torchserve_pipeline

        add_foreign_packages()
        return torchserve_pipeline(import_handler(name, folder), function or "handle", manifest, root)
    module = import_handler(name, folder)
    lend_to_main(module)

    def open_model() -> Model:
        examples = not hasattr(module, "preprocess")
        used = any(hasattr(module, name) for name in _GIVEN_THE_MODEL)
        engine = seen(load_engine(manifest, root, threads, examples=examples, handler=module))
        model = _model(engine, manifest, used=used)
        own = handler.style != "functions" or hasattr(module, "predict")
        return model if own or model.by_row else _of_any_rows(model)

    if handler.style == "sagemaker":
        from modelbuild_runtime.handler.sagemaker import sagemaker_pipeline

        return sagemaker_pipeline(module, manifest, root, open_model)
    if handler.style not in {"functions", "definitions"}:
        raise LoadError(f"there is no style of handler called {handler.style!r}")
    if handler.style == "definitions" or only_builds(module):
        return _alone(seen(load_engine(manifest, root, threads, examples=True, handler=module)), manifest)
    model = manifest.model
    context = Context(root / model.path, folder, model.name, model.version, threads, manifest.runtime.options)
    return functions_pipeline(module, context, open_model, manifest.signature)


def _model(engine: Engine, manifest: Manifest, *, used: bool) -> Model:
    """Some engines make the framework's own object only when it is asked for, of packages that not every image has."""
    signature = complete(engine.signature(), manifest.signature)
    return Model(engine.model if used else None, signature, engine.predict, row_counted(engine, signature))


def _of_any_rows(model: Model) -> Model:
    """The model with any number of rows, where it insists on several; one is the handler's pipeline's business."""
    size = fixed_size(model.signature)
    if size < 2 or not rows_are_apart(model.predict, model.signature, size):
        return model
    return model._replace(predict=FixedRows(model.predict, size), signature=freed(model.signature), by_row=True)


def load_engine(
    manifest: Manifest, root: Path, threads: int, *, examples: bool = False, handler: Optional[ModuleType] = None
) -> Engine:
    """Import the one engine that is needed, and let it load the artifact. ``examples`` where those of the manifest show
    what the model itself takes; ``handler`` has the code of models that come without.

    Raises:
        LoadError: no such engine, or the artifact is missing or refused.
    """
    path = root / manifest.model.path
    if not path.exists():
        raise LoadError(f"the model {path} is not there")
    name = f"modelbuild_runtime.engines.{manifest.runtime.name}.engine"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise LoadError(f"there is no runtime {manifest.runtime.name!r} in this server") from error
    shown = tuple(example.request for example in manifest.examples) if examples else ()
    options = EngineOptions(threads, manifest.signature, manifest.runtime.options, shown, handler)
    engine: Engine = module.load(path, options)
    return engine


def complete(known: Signature, declared: Signature) -> Signature:
    """The engine's signature, filled with what only the manifest says: all of a side, or labels by name."""
    return Signature(
        _fill(known.inputs, declared.inputs),
        _fill(known.outputs, declared.outputs),
        known.columns or declared.columns,
    )


def empty(contract: Contract) -> Dict[str, np.ndarray]:
    """The answer to no rows: few models take none."""
    return {
        spec.name: np.empty((0, *[max(size, 0) for size in spec.shape[1:]]), NUMPY[spec.datatype])
        for spec in contract.outputs
    }


def row_counted(engine: Engine, signature: Signature) -> bool:
    """Whether the leading axis of every input counts rows. An engine that knows better says so with ``batched``."""
    if not getattr(engine, "batched", True):
        return False
    return all(spec.shape[:1] == (-1,) for spec in signature.inputs)


def _fill(known: tuple[TensorSpec, ...], declared: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    if not known:
        return declared
    labels = {spec.name: spec.labels for spec in declared}
    return tuple(
        spec
        if spec.labels or not labels.get(spec.name)
        else TensorSpec(spec.name, spec.datatype, spec.shape, spec.optional, labels[spec.name])
        for spec in known
    )
