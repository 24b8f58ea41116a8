"""What a process counts, and what all workers count together: each leaves its numbers on the board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Optional

from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.metrics.metrics import Gauge, Metrics
from modelbuild_runtime.process.requests.app import Application

if TYPE_CHECKING:
    from modelbuild_runtime.process.workers.board import Board


class Numbers:
    """Of one application and its models' queues. On ``board`` are the other workers' numbers, and in ``slot`` of it
    its own.
    """

    def __init__(self, app: Application, queues: Mapping[str, Batcher], board: Optional[Board], slot: int) -> None:
        self._app = app
        self._queues = queues
        self._board = board
        self._slot = slot

    def inherit(self) -> None:
        """Go on from what the worker counted whose place this one takes."""
        counted = self._board.read(self._slot) if self._board is not None else b""
        if counted:
            self._app.metrics.add(counted, gauges=False)

    def everyone(self) -> Metrics:
        """All workers' numbers added up: this one's as of now, which the others then know too, for what one worker has
        shown must not be less when the next is asked; and theirs as of their last note, a second ago at most.
        """
        own = self.post()
        if self._board is None:
            return self._app.metrics
        everyone = Metrics()
        for note in (own, *self._board.others(self._slot)):
            everyone.add(note)
        return everyone

    def post(self) -> bytes:
        """Leave this process's numbers for the others."""
        self._gauge()
        if self._board is None:
            return b""
        note = self._app.metrics.dump()
        self._board.write(self._slot, note)
        return note

    def _gauge(self) -> None:
        """How things are at this moment."""
        gauges = self._app.metrics.gauges
        gauges.clear()
        gauges["in_flight", ""] = Gauge(self._app.in_flight)
        gauges["connections", ""] = Gauge(len(self._app.connections))
        for model, batcher in tuple(self._queues.items()):  # a model may be loading in another thread
            gauges["waiting", model] = Gauge(batcher.waiting)
            gauges["queue_age_seconds", model] = Gauge(batcher.age, largest=True)
