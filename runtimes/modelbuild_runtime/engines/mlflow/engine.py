"""MLflow's models: the one inside, by the engine of its own runtime, or MLflow's python_function."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Union

from modelbuild_runtime.engines import Engine, EngineOptions
from modelbuild_runtime.engines.mlflow.pyfunc import PyfuncEngine, load_pyfunc
from modelbuild_runtime.engines.mlflow.routed import ARRAY, RoutedEngine
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec


def load(path: Path, options: EngineOptions) -> Union[RoutedEngine, PyfuncEngine]:
    """Load a folder. ``options.options`` may hold ``runtime``, the runtime that takes the model in it; ``path``, where
    that lies; ``options``, which are that runtime's own; ``answer`` and ``wide``, what of its outputs MLflow answers.
    Without them MLflow loads the folder.

    Raises:
        LoadError: the model cannot be loaded, or does not take what MLflow's signature says.
    """
    own, declared = options.options, options.signature.inputs
    if "runtime" not in own:
        return load_pyfunc(path)
    answer = str(own.get("answer", "all"))
    signature = options.signature
    if answer == "frame":  # the columns side by side, as MLflow gives them to the model
        signature = Signature((TensorSpec(ARRAY, "FP32", (-1, len(declared))),))
    inner = EngineOptions(
        options.threads, signature, dict(own.get("options", {})), options.examples, handler=options.handler
    )
    engine = _load(str(own["runtime"]), path / str(own["path"]), inner)
    return RoutedEngine(engine, declared, answer, wide=bool(own.get("wide")))


def _load(name: str, path: Path, options: EngineOptions) -> Engine:
    try:
        module = importlib.import_module(f"modelbuild_runtime.engines.{name}.engine")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("modelbuild_runtime.engines."):
            raise
        raise LoadError(f"there is no runtime {name!r} in this server, which {path.name} needs") from error
    engine: Engine = module.load(path, options)
    return engine
