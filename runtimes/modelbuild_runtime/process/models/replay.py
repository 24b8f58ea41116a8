"""Requests that the server makes to itself, through all of its layers but the socket: examples, and warm-up."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from time import monotonic
from typing import Deque, List, NamedTuple, Optional

import msgspec

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.job import Job
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.manifest import Example
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.request import Response
from modelbuild_runtime.settings import Settings


class Replayed(NamedTuple):
    """One example, what was answered, and how long the answer took."""

    example: Example
    response: HttpResponse
    seconds: float
    failure: Optional[BaseException] = None  # what the model or its handler raised

    @property
    def succeeded(self) -> bool:
        """An answer, not an error."""
        return self.response.status < 400


class Immediate:
    """A queue that runs what it is given at once, and tells ``pace`` how long the model took."""

    def __init__(self, dataplane: Dataplane, pace: Optional[Pace] = None) -> None:
        self._dataplane = dataplane
        self._pace = pace
        self.failure: Optional[BaseException] = None

    def admit(self) -> None:
        """Always."""

    def resume(self, job: Job) -> None:
        """Run one job and answer it, as any other."""
        self.submit(job)

    def submit(self, job: Job) -> None:
        """Run one job and answer it."""
        began = monotonic()
        outcome = self._dataplane.run([job])[0]
        if self._pace is not None:
            self._pace.observe(job.count, monotonic() - began)
        if isinstance(outcome, Response):
            job.answer(outcome)
        else:
            self.failure = outcome.__cause__
            job.fail(outcome)


class Replayer:
    """Sends bodies to POST /predict as a connection would."""

    def __init__(self, settings: Settings, router: Router, dataplane: Dataplane, pace: Optional[Pace] = None) -> None:
        self._app = Application(replace(settings, access_log=False), router)  # no client asked
        self._queue = Immediate(dataplane, pace)
        self._app.open(router, dataplane, self._queue)
        self._responses: List[HttpResponse] = []
        self.pending: Deque[Exchange] = deque()

    def replay(self, example: Example) -> Replayed:
        """Ask for one example's prediction."""
        began = monotonic()
        self._queue.failure = None
        response = self.post("/predict", msgspec.json.encode(example.request))
        return Replayed(example, response, monotonic() - began, self._queue.failure)

    def post(
        self, path: str, body: bytes, content_type: str = "application/json", accept: str = "application/json"
    ) -> HttpResponse:
        """One request and its response."""
        headers = {b"content-type": content_type.encode(), b"accept": accept.encode()}
        head = self._app.routes.head(b"POST", path.encode(), headers, "1.1", keep_alive=True)
        self._app.accept(self, head, body)  # type: ignore[arg-type]
        self.pending.clear()
        return self._responses.pop()

    def keep(self, _size: int) -> None:
        """There is room for what we ask ourselves."""

    def deliver(self, _exchange: Exchange, response: HttpResponse) -> None:
        """What a connection would write."""
        if response.parts is not None:
            response.body, response.parts = b"".join(response.parts), None
        self._responses.append(response)
