"""Models that are loaded and unloaded while the server runs, beside the one that its image was made for.

Only who may manage the server reaches this: SageMaker's multi-model endpoints, where the platform says so, and the
management port. A model comes from one folder, and nothing outside of it is looked at. Loading runs code.
"""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from threading import Lock
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import msgspec

from modelbuild_runtime.errors import Conflict, InvalidInput, LoadError, NotFound, OutOfResources
from modelbuild_runtime.http.served import Served
from modelbuild_runtime.manifest import Manifest
from modelbuild_runtime.process.models.model import Model
from modelbuild_runtime.process.models.overlay import fitting
from modelbuild_runtime.protocols import Loaded, is_multi_model
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

MULTI_MODEL_STORE = "/opt/ml/models"
"""Where SageMaker unpacks the models of a multi-model endpoint, each into a folder of its own."""

Open = Callable[[Manifest, Path], Model]
"""Loads what a manifest names, whose paths are relative to the folder."""


def store(settings: Settings, environment: Mapping[str, str]) -> Optional[str]:
    """The folder that models are loaded from while the server runs; None where nobody may load any."""
    if is_multi_model(environment):
        return settings.model_store or MULTI_MODEL_STORE
    return settings.model_store if settings.management_port else None


class Running(NamedTuple):
    """A loaded model on its way to being asked; ``close`` ends its queue once nothing is in it."""

    served: Served
    close: Callable[[], None]


class Models:
    """``packaged`` is the image's own manifest, in ``root``; a further model has its runtime and its handler, unless it
    comes as an archive with a handler of its own. ``others`` is what listeners look models up in, and ``changed`` is
    called after it has changed.
    """

    def __init__(
        self,
        packaged: Manifest,
        root: Path,
        store: str,
        open_model: Open,
        start: Callable[[Model], Running],
        others: Dict[str, Served],
        changed: Callable[[], None],
    ) -> None:
        self._packaged = packaged
        self._root = root
        self._store = Path(store).resolve() if store else None
        self._open = open_model
        self._start = start
        self._others = others
        self._changed = changed
        self._loaded: Dict[str, Tuple[Loaded, Running, Optional[Path]]] = {}
        self._one_at_a_time = Lock()

    def loaded(self) -> List[Loaded]:
        """In the order in which they were loaded; the packaged one is not among them."""
        return [loaded for loaded, _, _ in self._loaded.values()]

    def load(self, name: str, location: str) -> Loaded:
        """Load a model and make its first predictions. It takes as long as it takes: not for the event loop.

        Raises:
            Conflict: there is one of that name.
            InvalidInput: nothing there can be loaded.
            OutOfResources: there is no memory for it.
        """
        with self._one_at_a_time:
            if name == self._packaged.model.name or name in self._loaded:
                raise Conflict(f"model {name!r} is loaded already", field="model_name")
            try:
                manifest, unpacked = self._manifest(name, self._inside(location))
                model = self._open(manifest, self._root)
            except LoadError as error:
                raise InvalidInput(f"model {name!r} cannot be loaded: {error.message}", field="url") from error
            except MemoryError as error:
                raise OutOfResources(f"there is no memory for model {name!r}") from error
            running = self._start(model)
            loaded = Loaded(name, manifest.model.version, location)
            self._loaded[name] = (loaded, running, unpacked)
            self._others[name] = running.served
            self._changed()
            logger.info("model %s was loaded from %s", name, location)
            return loaded

    def unload(self, name: str) -> None:
        """Answer no more for a model, and let go of its memory.

        Raises:
            NotFound: there is none of that name, or it is the packaged one.
        """
        with self._one_at_a_time:
            if name not in self._loaded:
                raise NotFound(f"model {name!r} is not loaded", field="model_name")
            del self._others[name]
            self._changed()
            _, running, unpacked = self._loaded.pop(name)
            running.close()
            del running
            gc.collect()
            if unpacked is not None:
                import shutil

                shutil.rmtree(unpacked, ignore_errors=True)
            logger.info("model %s was unloaded", name)

    def _inside(self, location: str) -> Path:
        """A path in the store: absolute, relative to it, or as a file URL."""
        if self._store is None:
            raise InvalidInput("models are loaded from a folder, and none is set: MBUILD_MODEL_STORE", field="url")
        path = (self._store / location.removeprefix("file://")).resolve()
        if not path.is_relative_to(self._store) or not path.exists():
            raise InvalidInput(f"there is no {location!r} in the folder for models, {self._store}", field="url")
        return path

    def _manifest(self, name: str, path: Path) -> Tuple[Manifest, Optional[Path]]:
        """What serves the model at ``path``, and the folder that goes with it when it goes."""
        if path.suffix == ".mar":
            from modelbuild_runtime.process.models.archive import opened

            return opened(path, name, self._packaged)
        packaged = self._root / self._packaged.model.path
        found = path if path.is_file() else fitting(packaged, path)
        model = msgspec.structs.replace(self._packaged.model, name=name, path=str(found))
        return msgspec.structs.replace(self._packaged, model=model, examples=()), None
