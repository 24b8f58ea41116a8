"""One process that serves: listens, loads the model, answers, and ends well when told to."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from time import monotonic
from typing import Callable, Mapping, Optional, Tuple

from modelbuild_runtime.app import Application, closed_router
from modelbuild_runtime.batcher import Batcher
from modelbuild_runtime.connection import Connection
from modelbuild_runtime.exposition import Gauge, expose
from modelbuild_runtime.model import Model, load_model, prove
from modelbuild_runtime.protocols import Statistics
from modelbuild_runtime.service import Probes
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Server:
    """Owns the event loop, the application and the batcher of one process."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._loop = new_loop()
        self._app = Application(settings, closed_router())
        self._batcher: Optional[Batcher] = None
        self._model: Optional[Model] = None
        self._asyncio_server: Optional[asyncio.AbstractServer] = None
        self._leave_by = 0.0

    # Probes

    def live(self) -> bool:
        """The loop runs, or nobody could ask."""
        return True

    def ready(self) -> bool:
        """A prediction would be answered now."""
        batcher = self._batcher
        return batcher is not None and not self._app.draining and not batcher.stuck

    def metrics(self) -> bytes:
        """Prometheus' text."""
        model, batcher = self._model, self._batcher
        gauges: Tuple[Gauge, ...] = (
            ("mbuild_ready", "1 while predictions are answered.", float(self.ready())),
            ("mbuild_in_flight", "Requests that have no response yet.", self._app.in_flight),
            ("mbuild_waiting", "Requests in the queue.", batcher.waiting if batcher else 0),
            ("mbuild_connections", "Open connections.", len(self._app.connections)),
        )
        labels = {}
        if model is not None:
            manifest = model.manifest
            labels = {"name": manifest.model.name, "version": manifest.model.version, "runtime": manifest.runtime.name}
        return expose(self._app.metrics, gauges, labels)

    def statistics(self) -> Statistics:
        """The sums that protocols report."""
        return self._app.metrics.statistics()

    def probes(self) -> Probes:
        """The server's answers about itself."""
        return Probes(self.live, self.ready, self.metrics, self.statistics)

    # Life

    def listen(self, sock: socket.socket) -> None:
        """Answer on a bound socket, once the loop runs."""
        self._asyncio_server = self._loop.run_until_complete(
            self._loop.create_server(lambda: Connection(self._app), sock=sock, backlog=_BACKLOG)
        )
        self._patrol()

    def load(self, threads: int) -> None:
        """Load the model and warm it up, while the loop answers from another thread that this process is alive.

        Handlers and frameworks are loaded in the main thread, because some insist on it.

        Raises:
            LoadError: it cannot be loaded.
        """
        with _Background(self._loop):
            model = load_model(self._settings, self.probes(), threads, self._environment)
            prove(model, self._settings)
        self.open(model)

    def open(self, model: Model) -> None:
        """Begin to predict."""
        settings = self._settings
        batcher = Batcher(
            model.dataplane.run,
            self._app.metrics,
            model.pace,
            max_rows=settings.max_batch_size,
            max_waiting=settings.queue,
            timeout=settings.timeout,
        )
        batcher.attach(self._loop)
        self._model = model
        self._app.open(model.router, model.dataplane, batcher)
        self._batcher = batcher

    def run(self) -> int:
        """Serve until SIGTERM, then finish what has begun. Returns the exit status."""
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._drain)
        self._loop.run_forever()
        unfinished = self._app.in_flight
        if unfinished:
            logger.warning("%d requests did not finish within MBUILD_GRACE", unfinished)
        if self._batcher is not None:
            self._batcher.close()
        return 0

    def _drain(self) -> None:
        if self._app.draining:
            return
        logger.info("draining: %d requests in flight", self._app.in_flight)
        self._leave_by = monotonic() + self._settings.grace
        if self._asyncio_server is not None:
            self._asyncio_server.close()
        self._app.drain()
        self._leave_when_done()

    def _leave_when_done(self) -> None:
        done = not self._app.connections or monotonic() > self._leave_by
        if done:
            self._loop.stop()
        else:
            self._loop.call_later(0.02, self._leave_when_done)

    def _patrol(self) -> None:
        self._app.patrol()
        self._loop.call_later(1.0, self._patrol)


class _Background:
    """The loop in a thread of its own, for as long as the main thread is busy."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="loading")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it exists for this platform."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        logger.warning("uvloop is not installed: serving more slowly on asyncio's own loop")
    loop = factory()
    asyncio.set_event_loop(loop)
    return loop


def bind(settings: Settings, *, shared: bool = False) -> socket.socket:
    """A listening address, IPv4 or IPv6 by the form of the host; ``shared`` among the workers."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((settings.host, settings.port))
    sock.setblocking(False)
    return sock


def serve(settings: Settings, threads: int) -> int:
    """Serve with one process. Returns the exit status."""
    signal.signal(signal.SIGTERM, _leave)  # as process 1 of a container there is no default action
    server = Server(settings, os.environ)
    sock = bind(settings)
    server.listen(sock)
    server.load(threads)
    host, port = sock.getsockname()[:2]
    logger.info("serving on http://%s:%d", host, port)
    return server.run()


def _leave(*_: object) -> None:
    raise SystemExit(0)
