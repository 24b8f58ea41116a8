"""A served model: all that is made of one manifest."""

from __future__ import annotations

import logging
from pathlib import Path
from time import monotonic
from typing import Mapping, NamedTuple, Tuple

import msgspec

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.dataplane.pipeline import Pipeline
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.handler.module import cure, line_in
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.manifest import Manifest, read_manifest
from modelbuild_runtime.pipeline import Seen, load_pipeline
from modelbuild_runtime.process.discovery import discover
from modelbuild_runtime.process.models.overlay import overlaid
from modelbuild_runtime.process.models.replay import Replayed, Replayer
from modelbuild_runtime.process.models.warmup import measure, warm_up
from modelbuild_runtime.process.ports.listeners import router
from modelbuild_runtime.process.service import ModelService
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

_ROUNDS = 3
_BUDGET = 1.0
"""Seconds after which no further example is replayed at start."""


class Model(NamedTuple):
    """Loaded, and warmed up."""

    manifest: Manifest
    root: Path  # that the manifest's paths are relative to
    service: ModelService
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


def load_model(settings: Settings, threads: int, environment: Mapping[str, str]) -> Model:
    """Load the model that this server is about, and make its first predictions: they load what is lazy, and complete
    the contract that protocols and clients are told.

    Raises:
        LoadError: something is missing, or cannot be loaded.
    """
    packaged, root = load_manifest(settings)
    return open_model(overlaid(packaged, root, environment), root, settings, threads, environment)


def open_model(
    manifest: Manifest,
    root: Path,
    settings: Settings,
    threads: int,
    environment: Mapping[str, str],
    seen: Seen = lambda engine: engine,
) -> Model:
    """Load what a manifest names, whose paths are relative to ``root``, and make its first predictions. ``seen`` as in
    ``load_pipeline``.

    Raises:
        LoadError: something is missing, or cannot be loaded.
    """
    pipeline = load_pipeline(manifest, root, threads, seen)
    first = warm_up(pipeline)
    if first.error is not None:
        level = logging.INFO if manifest.examples else logging.WARNING
        logger.log(level, "the model refuses made-up values (%s): nothing is proved but by examples", first.error)
    service = ModelService(manifest, pipeline, settings, environment)
    service.protocols = discover(service)
    pace = Pace(Forecast() if settings.slo else None)
    if first.seconds:
        pace.observe(1, first.seconds)
    if settings.slo:
        measure(pipeline, first, pace, settings.slo, settings.max_batch_size)
    return Model(manifest, root, service, pipeline, Dataplane(pipeline), router(service.protocols), pace)


def prove(model: Model, settings: Settings) -> None:
    """Make the examples' predictions, through all layers but the socket; the pace of the model is learnt by the way.

    Raises:
        LoadError: an example that is known to work does not.
    """
    replayer = Replayer(settings, model.router, model.dataplane, model.pace)
    began = monotonic()
    for _ in range(_ROUNDS):
        for example in model.manifest.examples:
            done = replayer.replay(example)
            if not done.succeeded:
                raise _failed(done, model, settings)
            if monotonic() - began > _BUDGET:
                return


def _failed(done: Replayed, model: Model, settings: Settings) -> LoadError:
    """Whoever packaged the model wants to know why; the log has the traceback of what was raised."""
    name = f"the example {done.example.name!r}" if done.example.name else "an example"
    if done.failure is None:
        hint = _cure(model) or "An example is a body of POST /predict, as a client sends it."
        return LoadError(f"{name} is refused with {done.response.status}: {_words(done.response.body)}", hint)
    what = f"{type(done.failure).__name__}: {str(done.failure).partition(chr(10))[0]}"
    handler = model.manifest.handler
    place = line_in(Path(settings.manifest).parent / handler.path, done.failure) if handler else ""
    where = f" ({place})" if handler and place != Path(handler.path).name else ""
    return LoadError(f"the model or its handler fails on {name}: {what}{where}", cure(done.failure) or _cure(model))


def _cure(model: Model) -> str:
    """Datatypes that were guessed may be wrong, and then the example is right."""
    guessed = getattr(model.pipeline, "guessed", False)
    return (
        "If a datatype was guessed wrongly, declare the columns: preprocess(rows: Annotated[pandas.DataFrame, Record])."
        if guessed
        else ""
    )


def _words(body: bytes) -> str:
    """What an answer that is no prediction says."""
    try:
        problem = msgspec.json.decode(body)
        return str(problem["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:300]
