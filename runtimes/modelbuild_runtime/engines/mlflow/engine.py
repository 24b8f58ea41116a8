"""MLflow's models: the one inside, by the engine of its own runtime, or MLflow's python_function."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Union

from modelbuild_runtime.engines import Engine, EngineOptions
from modelbuild_runtime.engines.mlflow.pyfunc import PyfuncEngine, load_pyfunc
from modelbuild_runtime.engines.mlflow.routed import RoutedEngine
from modelbuild_runtime.errors import LoadError


def load(path: Path, options: EngineOptions) -> Union[RoutedEngine, PyfuncEngine]:
    """Load a folder. ``options.options`` may hold ``runtime``, the runtime that takes the model in it; ``path``, where
    that lies; ``options``, which are that runtime's own; ``answer`` and ``wide``, what of its outputs MLflow answers.
    Without them MLflow loads the folder.

    Raises:
        LoadError: the model cannot be loaded, or does not take what MLflow's signature says.
    """
    own = options.options
    if "runtime" not in own:
        return load_pyfunc(path)
    inner = EngineOptions(options.threads, options.signature, dict(own.get("options", {})), options.examples)
    engine = _load(str(own["runtime"]), path / str(own["path"]), inner)
    return RoutedEngine(engine, options.signature.inputs, str(own.get("answer", "all")), wide=bool(own.get("wide")))


def _load(name: str, path: Path, options: EngineOptions) -> Engine:
    try:
        module = importlib.import_module(f"modelbuild_runtime.engines.{name}.engine")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("modelbuild_runtime.engines."):
            raise
        raise LoadError(f"there is no runtime {name!r} in this server, which {path.name} needs") from error
    engine: Engine = module.load(path, options)
    return engine
