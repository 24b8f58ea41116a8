"""What waits for the model, and who is told of it."""

from __future__ import annotations

from typing import Any, Protocol, Sequence, Union

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.request import Request, Response

Outcome = Union[Response, ServerError]

ALONE = object()
"""The key of a job that is never joined with another."""


class Job(Protocol):
    """What waits, since it was ``received``. ``inputs`` are as the dataplane prepared them: ``count`` rows, joined with
    those of equal ``key``.
    """

    id: str
    received: float
    request: Request
    inputs: Any
    count: int
    key: Any
    deadline: float
    queued: float
    cancelled: bool
    ran: Any  # the observer's

    @property
    def trace(self) -> Any: ...  # that it belongs to, for the log
    def again(self) -> Request: ...  # decoded anew, for a second run
    def answer(self, response: Response) -> None: ...
    def fail(self, error: ServerError) -> None: ...


class Observer(Protocol):
    """Told of each run: when it began, how long it took, and what was in it."""

    def run(self, jobs: Sequence[Job], rows: int, began: float, seconds: float) -> None: ...
    def answered(self, jobs: int, seconds: float) -> None: ...
    def shed(self, reason: str) -> None: ...


class Queue(Protocol):
    """Where checked requests go: the batcher, a cache in front of it, or something that runs them at once."""

    def admit(self) -> None: ...  # asked before a request is decoded; raises as submit does
    def submit(self, job: Job) -> None: ...
    def resume(self, job: Job) -> None: ...  # of an answer that has begun
