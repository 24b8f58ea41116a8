"""Sends an answer part by part: the next is made when the last is written and the client reads."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, Callable, Iterator, Optional, Protocol

import msgspec

from modelbuild_runtime.dataplane.job import ALONE, Job
from modelbuild_runtime.dataplane.parts import Step
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.log import about
from modelbuild_runtime.request import Request, Response, Rows
from modelbuild_runtime.trace.context import Trace

logger = logging.getLogger(__name__)

_NOTHING = Request(Rows([]))


class Sink(Protocol):
    """Where the parts go. ``end_parts`` is called once, after the last; ``abort_parts`` where that cannot be made,
    with the reason, for whoever has a place for it.
    """

    @property
    def takes_parts(self) -> bool:
        """False while the client does not read."""

    def write_part(self, part: bytes) -> None: ...
    def end_parts(self) -> None: ...
    def abort_parts(self, error: ServerError) -> None: ...


class PartJob(msgspec.Struct, eq=False):
    """A run that makes one part: see ``Job``. It counts no rows."""

    pump: Pump
    id: str
    received: float
    inputs: Step
    request: Request
    count: int = 0
    key: Any = ALONE
    deadline: float = 0.0
    queued: float = 0.0
    cancelled: bool = False
    ran: Any = None
    trace: Optional[Trace] = None

    def again(self) -> Request:
        return self.request

    def answer(self, response: Response) -> None:
        self.pump.made(response.raw)

    def fail(self, error: ServerError) -> None:
        self.pump.broke(error)


class Pump:
    """Drives one answer. ``resume`` takes a job into the queue whatever waits there: the answer has begun."""

    def __init__(
        self,
        identity: str,
        trace: Optional[Trace],
        parts: Iterator[bytes],
        resume: Callable[[Job], None],
        sink: Sink,
    ) -> None:
        self.id = identity
        self.trace = trace
        self._step = Step(parts)
        self._resume = resume
        self._sink: Optional[Sink] = sink
        self._making = False
        self._asking = False
        self._wanted = False

    def more(self) -> None:
        """Make the next part, unless it is being made already. A queue that runs at once does not nest."""
        self._wanted = True
        if self._asking:
            return
        self._asking = True
        while self._wanted and not self._making and self._sink is not None and self._sink.takes_parts:
            self._wanted = False
            self._ask()
        self._asking = False

    def stop(self) -> None:
        """The client has gone."""
        if self._sink is not None:
            self._sink = None
            self._step.stop()
            self._ask()

    def made(self, part: Optional[bytes]) -> None:
        """A part was made, or there are no more."""
        self._making = False
        sink = self._sink
        if sink is None:
            return
        if part is None:
            self._sink = None
            sink.end_parts()
            return
        sink.write_part(part)
        self.more()

    def broke(self, error: ServerError) -> None:
        """The next part cannot be made, and no status of HTTP can say so any more."""
        self._making = False
        sink, self._sink = self._sink, None
        if sink is not None:
            logger.warning("an answer in parts was not finished: %s", error.message, extra=about(self))
            self._step.stop()
            self._ask()
            sink.abort_parts(error)

    def _ask(self) -> None:
        self._making = True
        self._resume(PartJob(self, self.id, monotonic(), self._step, _NOTHING, trace=self.trace))
