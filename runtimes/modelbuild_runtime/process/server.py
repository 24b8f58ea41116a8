"""One process that serves: listens, answers, and ends well when told to."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Optional, Sequence, Tuple

from modelbuild_runtime.beside import Beside
from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.errors import NotReady
from modelbuild_runtime.http.served import Served
from modelbuild_runtime.metrics.exposition import expose
from modelbuild_runtime.metrics.metrics import Gauge
from modelbuild_runtime.process.leaving import STOP
from modelbuild_runtime.process.loop import new_loop
from modelbuild_runtime.process.models.managed import Models, Open, Running, store
from modelbuild_runtime.process.models.model import Model
from modelbuild_runtime.process.ports.listeners import Listener
from modelbuild_runtime.process.ports.ports import Ports
from modelbuild_runtime.process.queues import Queues
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.process.requests.closed import closed_router
from modelbuild_runtime.process.requests.turned_away import TurnedAway
from modelbuild_runtime.process.watchdog import Watchdog
from modelbuild_runtime.process.workers.doors import Doors
from modelbuild_runtime.process.workers.numbers import Numbers
from modelbuild_runtime.protocols import Statistics, Summary
from modelbuild_runtime.security.keys import api_keys
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.trace.context import SWITCHES

if TYPE_CHECKING:
    from modelbuild_runtime.process.access_log.log import AccessLog
    from modelbuild_runtime.process.workers.board import Board
    from modelbuild_runtime.process.workers.keeping import Entrusting

logger = logging.getLogger(__name__)

_LAST_LINES = 0.5
"""Seconds in which a slow reader of the access log may read its end, where no more of the grace period is left."""
_LAST_TURN = 0.02
"""Seconds in which what was written at the very end leaves."""
_LAST_CALL = 0.5
"""Seconds after SIGTERM in which what clients have sent before they knew is still answered, and told to be the last."""


class Server:
    """Owns the event loop, the application and the batcher of one process; on ``board`` are the other workers' numbers,
    and in ``slot`` of it its own; ``connections`` are entrusted to the supervisor.
    """

    def __init__(
        self,
        settings: Settings,
        board: Optional[Board] = None,
        slot: int = 0,
        connections: Optional[Entrusting] = None,
    ) -> None:
        self.loop = new_loop()
        self._settings = settings
        self._alone = board is None
        self._keys = api_keys(settings)
        self._app = Application(settings, closed_router(), self._keys)
        self._app.beside = Beside(self.loop, "bodies").do
        self._app.beside_long = Beside(self.loop, "large bodies").do
        self._app.later = TurnedAway(self.loop, self._app.respond, lambda: self._app.draining).later
        if board is not None:
            from modelbuild_runtime.process.workers.witness import Witness

            self._app.witness = Witness(board.flights[slot], board.quarantine, connections)
        self._access = self._log_access() if settings.access_log else None
        self._batcher: Optional[Batcher] = None
        self._queues = Queues(self._app, settings, self.loop)
        self._numbers = Numbers(self._app, self._queues.batchers, board, slot)
        self._model: Optional[Model] = None
        self._ports = Ports(self.loop, self._app, settings, self._keys)
        self._leave_by = 0.0
        self._watchdog: Optional[Watchdog] = None
        self._parent = os.getppid()

    def listen(
        self,
        sock: socket.socket,
        more: Sequence[Tuple[Listener, socket.socket]] = (),
        health: Optional[socket.socket] = None,
    ) -> None:
        """Answer on a bound socket, and on ``more`` beside it, as soon as the loop runs; on ``health``, without TLS,
        only how the server is.
        """
        self.loop.run_until_complete(self._ports.listen(sock, more, health))
        self._patrol()

    def attend(self, doors: Doors, slot: int) -> None:
        """Answer at the door of a slot, and at others' when nobody does."""
        self.listen(*doors.of(slot), doors.health)
        self._ports.attend(doors, slot)

    def open(self, model: Model, opener: Optional[Open] = None) -> None:
        """Begin to predict. ``opener`` loads further models, where that is allowed."""
        self._numbers.inherit()
        self._trace(model)
        self._model, name = model, model.manifest.model.name
        model.service.process = self
        queue = self._queues.begin(model)
        place = store(self._settings, model.service.environment)
        if opener is not None and place is not None:
            others = self._app.others
            model.service.models = Models(model.manifest, model.root, place, opener, self._start, others, self._forget)
        self._app.open(model.router, model.dataplane, queue, name)
        self._ports.open(model.service.protocols)
        self._batcher = self._queues.batchers[name]

    def run(self) -> None:
        """Serve until SIGTERM, then finish what has begun."""
        self._watchdog = Watchdog(self._settings.grace, self._finish_log)
        for number in STOP:
            signal.signal(number, self._end)  # Python's own way: the loop's waits for a loop that turns
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        self.loop.run_forever()
        self._numbers.post()
        if self._app.tracer is not None:
            self._app.tracer.close()
        self._finish_log()
        if self._batcher is not None and not self._batcher.idle:  # native code cannot be told to stop
            logging.shutdown()
            os._exit(0)

    # What the process says of itself

    def live(self) -> bool:
        """It may yet be ready again. That the event loop turns is plain, or nobody could ask."""
        return self._batcher is None or not self._batcher.hung

    def ready(self) -> bool:
        """A prediction would be answered now."""
        return self._batcher is not None and not self._app.draining and not self._batcher.stuck

    def metrics(self) -> bytes:
        """Prometheus' text, of all workers; ready is who was asked."""
        everyone = self._numbers.everyone()
        everyone.gauges["ready", ""] = Gauge(float(self.ready()))
        everyone.gauges["workers", ""] = Gauge(self._settings.workers)
        labels = {}
        if self._model is not None:
            manifest = self._model.manifest
            labels = {"name": manifest.model.name, "version": manifest.model.version, "runtime": manifest.runtime.name}
        return expose(everyone, labels)

    def statistics(self, model: str) -> Statistics:
        """The sums that protocols report of a model, of all workers."""
        return self._numbers.everyone().statistics(model)

    def summary(self) -> Summary:
        """How it goes, in all workers."""
        return self._numbers.everyone().summary(monotonic())

    # Inside

    def _log_access(self) -> Optional[AccessLog]:
        """Write a line for each request, unless only warnings are wanted."""
        from modelbuild_runtime.process.access_log.log import AccessLog
        from modelbuild_runtime.process.access_log.outlet import Outlet
        from modelbuild_runtime.process.access_log.styles import STYLES

        if not logger.isEnabledFor(logging.INFO):
            return None
        beside, drop = Beside(self.loop, "access log").do, self._app.metrics.drop_lines
        outlet = Outlet(sys.stderr.fileno(), beside, drop, alone=self._alone)
        log = AccessLog(STYLES[self._settings.log_format], outlet, self.loop.call_later)
        self._app.log_access(log)
        return log

    def _finish_log(self) -> None:
        """The loop has stopped, or never turns again."""
        if self._access is not None:
            self._access.close(max(_LAST_LINES, self._leave_by - monotonic()))

    def _trace(self, model: Model) -> None:
        """Make spans where the environment says whom they are for. Otherwise nothing of that is imported."""
        environment, named = model.service.environment, model.manifest.model
        if any(environment.get(name) for name in SWITCHES):
            from modelbuild_runtime.trace.tracer import make_tracer

            tracer = make_tracer(environment, named.name, named.version, self._app.metrics.spans)
            if tracer is not None:
                self._app.trace(tracer)

    def _start(self, model: Model) -> Running:
        """A further model."""
        model.service.process = self
        model.service.models = self._model.service.models if self._model is not None else None
        queue, name = self._queues.begin(model), model.manifest.model.name
        served = Served(model.router, model.dataplane.prepare, queue.submit, queue.resume, queue.admit, name)
        return Running(served, partial(self._queues.end, name))

    def _forget(self) -> None:
        """Other models or keys are there: what was remembered of heads may lead elsewhere."""
        self._app.routes.forget()
        self._ports.forget()

    def _patrol(self) -> None:
        self._app.patrol()
        self._ports.patrol()
        if self._batcher is None or not self._batcher.stuck:  # who leaves no numbers for long is taken for hung
            self._numbers.post()
        if self._keys is not None and self._keys.renewed():
            self._forget()
        if not self._alone and os.getppid() != self._parent:
            logger.error("the supervisor is gone")
            self._end()
        self.loop.call_later(1.0, self._patrol)

    def _end(self, *_: object) -> None:
        if not self._leave_by:
            self._leave_by = monotonic() + self._settings.grace
        if self._watchdog is not None:
            self._watchdog.tell()
        self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        if self._app.draining:
            return
        logger.info("draining: %d requests in flight", self._app.in_flight)
        self._app.draining = True
        self.loop.call_later(min(_LAST_CALL, self._settings.grace), self._close)

    def _close(self) -> None:
        self._ports.close()
        self._app.drain()
        self._leave_when_done()

    def _leave_when_done(self) -> None:
        if self._app.connections and monotonic() < self._leave_by:
            self.loop.call_later(0.02, self._leave_when_done)
            return
        if self._app.in_flight:
            logger.warning("%d requests did not finish within MBUILD_GRACE", self._app.in_flight)
            self._app.give_up(NotReady("the server ends before this was answered", retry_after=1))
        self.loop.call_later(_LAST_TURN, self.loop.stop)
