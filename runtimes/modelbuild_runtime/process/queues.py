"""The queue of each model: its batcher, behind its cache where there is one."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Dict

import msgspec

from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.cache import Cache
from modelbuild_runtime.dataplane.job import Queue
from modelbuild_runtime.metrics.marks import Marks
from modelbuild_runtime.process.host.memory import affordable
from modelbuild_runtime.process.models.model import Model
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

_ROW = 1 << 11
"""Bytes of the memory limit for each row that waits: as a record it takes some 500."""


class Queues:
    """Of one process. ``batchers`` are by the model's name."""

    def __init__(self, app: Application, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.batchers: Dict[str, Batcher] = {}
        self._app = app
        self._settings = settings
        self._loop = loop

    def begin(self, model: Model) -> Queue:
        """The queue of a model that is new here."""
        settings, name = self._settings, model.manifest.model.name
        observer = self._app.metrics.of(name)
        observer.marks = getattr(model.pipeline, "marks", None) or Marks()
        witness = self._app.witness
        self.batchers[name] = batcher = Batcher(
            model.dataplane.run if witness is None else witness.running(model.dataplane.run),
            observer,
            model.pace,
            self._loop,
            max_rows=settings.max_batch_size,
            max_waiting=settings.queue,
            max_rows_waiting=affordable(sys.maxsize, _ROW, settings.workers),
            timeout=settings.timeout,
            slo=settings.slo,
        )
        if not settings.answer_cache:
            return batcher
        if model.service.takes_raw:
            logger.warning("MBUILD_ANSWER_CACHE is ignored: the handler sees whole requests, of which no two are alike")
            return batcher
        from hashlib import blake2b  # here: it loads OpenSSL

        of_model = blake2b(msgspec.msgpack.encode(model.manifest), digest_size=32).digest()
        return Cache(batcher, of_model, settings.answer_cache, observer.looked_up)  # type: ignore[return-value]

    def end(self, name: str) -> None:
        """Of a model that is gone; may be called by any thread."""
        self._loop.call_soon_threadsafe(self.batchers.pop(name).close)
