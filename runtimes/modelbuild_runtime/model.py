"""A served model: all that is made of one manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, NamedTuple, Tuple

import msgspec

from modelbuild_runtime.dataplane import Dataplane
from modelbuild_runtime.discovery import discover
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest, read_manifest
from modelbuild_runtime.pace import Pace
from modelbuild_runtime.pipeline import Pipeline, load_pipeline
from modelbuild_runtime.replay import Replayer
from modelbuild_runtime.router import Router
from modelbuild_runtime.service import ModelService, Probes
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.warmup import warm_up


class Model(NamedTuple):
    """Loaded, and warmed up."""

    manifest: Manifest
    pipeline: Pipeline
    dataplane: Dataplane
    router: Router
    pace: Pace


def load_manifest(settings: Settings) -> Tuple[Manifest, Path]:
    """The manifest, and the folder that its paths are relative to.

    Raises:
        LoadError: it is not there, or is no manifest.
    """
    path = Path(settings.manifest)
    try:
        return read_manifest(path), path.parent
    except OSError as error:
        raise LoadError(f"the manifest {path} cannot be read: {error.strerror}", "set MBUILD_MANIFEST") from error
    except msgspec.DecodeError as error:
        raise LoadError(f"{path} is not a manifest: {error}") from error


def load_model(settings: Settings, probes: Probes, threads: int, environment: Mapping[str, str]) -> Model:
    """Load the model that the manifest names.

    Raises:
        LoadError: something is missing, or cannot be loaded.
    """
    manifest, root = load_manifest(settings)
    pipeline = load_pipeline(manifest, root, threads)
    service = ModelService(manifest, pipeline, settings, probes, environment)
    service.protocols = discover(service)
    return Model(manifest, pipeline, Dataplane(pipeline), Router(service.protocols), Pace())


def prove(model: Model, settings: Settings) -> None:
    """Warm up.

    Raises:
        LoadError: an example fails.
    """
    replayer = Replayer(settings, model.router, model.dataplane, model.pace)
    warm_up(model.pipeline, replayer, model.pace, model.manifest.examples)
