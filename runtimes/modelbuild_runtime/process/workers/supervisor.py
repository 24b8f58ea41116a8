"""Several processes on one port: a supervisor loads the model, forks workers that share its memory, replaces those that
die, says what died with them, answers in their place, and hands on the signal to stop.

Forking is safe only while one thread runs. Where loading has started more (a thread pool of the framework), the
supervisor starts itself anew without loading, and each worker loads a copy of its own.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Dict, Optional, Tuple

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.metrics.metrics import Metrics
from modelbuild_runtime.process.host.memory import settle
from modelbuild_runtime.process.leaving import STOP, watch
from modelbuild_runtime.process.models.model import Model, load_model, prove
from modelbuild_runtime.process.ports.addresses import address
from modelbuild_runtime.process.server import Server
from modelbuild_runtime.process.workers import deaths
from modelbuild_runtime.process.workers.board import Board
from modelbuild_runtime.process.workers.doors import Doors
from modelbuild_runtime.process.workers.keeping import WAKES, Entrusting, Keeper, Lingering
from modelbuild_runtime.security.certificates import certificates
from modelbuild_runtime.security.keys import api_keys
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

_WATCHED = (*STOP, signal.SIGCHLD, WAKES)
_SPARE = 2.5
"""Seconds beyond the grace period, or beyond the time that a request has, after which a worker is killed."""
_TURN = 2.0
"""Seconds at most that count as one turn of the supervisor: the rest it has slept itself, in a frozen container say."""
_SETTLED = 10.0
"""A worker that lived for so many seconds, or died with requests, did not fail at its start."""
_MOST_FAILURES = 5
_QUARANTINED = "this request was there at a second death: it is quarantined, and answered 422 until the server restarts"
_LINGER = 2.0
"""Seconds that clients of a dead worker have to read what they are told."""


def supervise(settings: Settings, threads: int) -> int:
    """Serve with several processes until told to stop. Returns the exit status."""
    certificates(settings), api_keys(settings)  # what is wrong with them is told now, too
    doors = Doors(settings)
    settings = replace(settings, port=doors.main.getsockname()[1])
    model = _preload(settings, threads) if settings.preload else None
    logger.info("starting %d workers on %s", settings.workers, address(doors.main, settings))
    return _Supervisor(settings, threads, model, doors).run()


class _Supervisor:
    """Signals are not handled but waited for, so that none can arrive between a check and a wait."""

    def __init__(self, settings: Settings, threads: int, model: Optional[Model], doors: Doors) -> None:
        self._settings = settings
        self._threads = threads
        self._model = model
        self._doors = doors
        self._board = Board(settings.workers + 1)  # the last slot is the supervisor's
        self._metrics = Metrics()
        self._slots: Dict[int, int] = {}
        self._born: Dict[int, float] = {}
        self._due: Dict[int, float] = dict.fromkeys(range(settings.workers), 0.0)
        self._keepers: Dict[int, Keeper] = {}
        self._lingering = Lingering(_LINGER)
        self._killed = deaths.killed()
        self._failures = 0
        self._silent: Dict[int, Tuple[float, float]] = {}
        self._kill_at = 0.0
        self._status = 0

    def run(self) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        turned = monotonic()
        while True:
            before, turned = turned, monotonic()
            self._end_silent(min(turned - before, _TURN))
            self._start_due()
            if not self._slots and not self._due:
                return self._status
            received = signal.sigtimedwait(_WATCHED, 0.1 if self._due else 1.0)
            if received is not None and received.si_signo in STOP:
                self._stop()
            for keeper in self._keepers.values():
                keeper.hear()
            self._reap()
            self._lingering.close(monotonic())
            if self._kill_at and monotonic() > self._kill_at:
                self._kill()

    def _start_due(self) -> None:
        now = monotonic()
        for slot in [slot for slot, due in self._due.items() if due <= now]:
            del self._due[slot]
            self._keepers[slot] = keeper = Keeper()
            keeper.wake(os.getpid())
            pid = os.fork()
            if pid == 0:
                os._exit(self._become_worker(slot, keeper.other))
            keeper.other.close()
            self._slots[pid] = slot
            self._born[pid] = now

    def _become_worker(self, slot: int, channel: socket.socket) -> int:
        """In the new process: let go of what is the supervisor's, and work."""
        connections = Entrusting(channel.dup())
        for keeper in self._keepers.values():
            keeper.close()
        self._lingering.close(math.inf)
        signal.signal(WAKES, signal.SIG_IGN)  # would end a process that did not expect it
        watch()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        try:
            return _work(self._settings, self._threads, self._model, self._board, slot, self._doors, connections)
        except SystemExit:
            return 1

    def _reap(self) -> None:
        """Bury all that died: workers, and as process 1 of a container also the orphans of others."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in self._slots:
                self._bury(pid, status)

    def _bury(self, pid: int, status: int) -> None:
        slot, now = self._slots.pop(pid), monotonic()
        lived = now - self._born.pop(pid)
        self._silent.pop(pid, None)
        keeper = self._keepers.pop(slot)
        self._doors.leave(slot)
        idle = not self._board.flights[slot].read()
        if not self._kill_at or status:
            self._tell(slot, pid, lived, deaths.cause_of(status, self._killed), keeper)
        keeper.close()
        if self._kill_at:
            return
        self._failures = self._failures + 1 if lived < _SETTLED and idle else 0
        if self._failures >= _MOST_FAILURES:
            logger.error("workers die as soon as they start: giving up")
            self._status = 1
            self._stop()
        else:
            self._due[slot] = now + (0.1 * 2**self._failures if self._failures > 1 else 0.0)

    def _tell(self, slot: int, pid: int, lived: float, cause: deaths.Cause, keeper: Keeper) -> None:
        """Say why a worker died, and answer whoever it had not."""
        flights = self._board.flights[slot]
        lost = flights.read()
        message = "worker %d (process %d) died after %.1f s: %s; %s"
        fields = {"worker": slot, "cause": cause.word, "request_ids": [flight.id for flight in lost]}
        told = (slot, pid, lived, cause.text, deaths.named(lost))
        logger.error(message, *told, extra={"fields": fields})
        self._killed = deaths.killed()
        self._metrics.deaths[cause.word] = self._metrics.deaths.get(cause.word, 0) + 1
        self._metrics.lost += len(lost)
        self._board.write(self._settings.workers, self._metrics.dump())
        suspects = {flight.fingerprint for flight in lost} - {0}
        for found in self._board.quarantine.died(suspects, flights.alone):
            for flight in lost:
                if flight.fingerprint == found:
                    logger.error(_QUARANTINED, extra={"request": flight.id})
        flights.wipe()
        keeper.hear()
        for flight in lost:
            sock = keeper.answer(flight.connection, flight.id) if flight.answerable else None
            if sock is not None:
                self._lingering.add(sock, monotonic())
        for sock in keeper.turn_away():
            self._lingering.add(sock, monotonic())

    def _end_silent(self, seconds: float) -> None:
        """Who runs a prediction that never ends may hold up its loop by it, and answers nobody any more. A loop that
        turns leaves a note each second. ``seconds`` are those since this was asked last.
        """
        for pid, slot in self._slots.items():
            written, (noted, silent) = self._board.written(slot), self._silent.get(pid, (0.0, 0.0))
            silent = silent + seconds if written == noted > self._born[pid] else 0.0
            if silent > self._settings.timeout + _SPARE and not self._kill_at:
                logger.error("worker %d (process %d) has answered nobody for %.0f s: killed", slot, pid, silent)
                os.kill(pid, signal.SIGKILL)
                silent = 0.0
            self._silent[pid] = written, silent

    def _stop(self) -> None:
        self._due.clear()
        self._doors.close()
        self._kill_at = monotonic() + self._settings.grace + _SPARE
        for pid in self._slots:
            os.kill(pid, signal.SIGTERM)

    def _kill(self) -> None:
        for pid, slot in self._slots.items():
            logger.error("worker %d (process %d) did not stop: killed", slot, pid)
            os.kill(pid, signal.SIGKILL)


def _preload(settings: Settings, threads: int) -> Model:
    model = load_model(settings, threads, os.environ)
    running = running_threads()
    if running > 1:
        logger.info("the model runs %d threads and cannot be shared: each worker loads its own", running)
        logging.shutdown()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # what comes now waits for the new program
        command = [sys.executable, "-m", "modelbuild_runtime", "serve"]
        os.execve(sys.executable, command, {**os.environ, "MBUILD_PRELOAD": "0"})  # noqa: S606  # itself
    for protocol in model.service.protocols:  # one process alone waits until it is asked; workers share what is there
        protocol.made()
    if settings.grpc_port:
        from modelbuild_runtime.grpc import connection, messages  # noqa: F401

        messages.prepare()
    settle(os.environ)
    return model


def running_threads(tasks: Path = Path("/proc/self/task")) -> int:
    """Threads of this process, those that Python knows nothing of included; 2 where that cannot be seen."""
    try:
        return len(list(tasks.iterdir()))
    except OSError:
        return 2


def _work(
    settings: Settings,
    threads: int,
    model: Optional[Model],
    board: Board,
    slot: int,
    doors: Doors,
    connections: Entrusting,
) -> int:
    """A worker's life. Returns its exit status."""
    try:
        _reseed()
        if model is None:
            model = load_model(settings, threads, os.environ)
            settle(os.environ)
        prove(model, settings)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # until the server knows what to do
        server = Server(settings, board, slot, connections)
        server.open(model)
        server.attend(doors, slot)
        logger.info("worker %d is ready", slot)
        server.run()
    except LoadError as error:
        logger.error("worker %d: %s", slot, error.message)  # noqa: TRY400  # the message says all
        return 1
    except Exception:
        logger.exception("worker %d failed", slot)
        return 1
    finally:
        logging.shutdown()
    return 0


def _reseed() -> None:
    """Forked processes must not draw the same random numbers. A generator that is not there yet seeds itself."""
    drawing = sys.modules.get("numpy.random")
    if drawing is not None:
        drawing.seed()  # handlers use the global generator
