"""Answers to questions that were asked before: a wrapper around the queue, which is not there where it is off.

A question is the neutral request, before anything else has touched it: values, datatypes and shapes, parameters and the
outputs asked for. Its key is a hash of 256 bits that nobody can make collide, so that the question itself need not be
kept to compare it; equal keys are equal questions. A cache is of one loaded model and dies with it.

Whoever asks what is being predicted already waits for that answer. Nothing is kept of what fails, streams or explains.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections import OrderedDict
from time import monotonic
from typing import Any, Callable, Dict, List, Protocol, Tuple

import msgspec
import numpy as np

from modelbuild_runtime.dataplane.job import Job, Queue
from modelbuild_runtime.dataplane.question import question
from modelbuild_runtime.errors import DeadlineExceeded, ServerError
from modelbuild_runtime.log import about
from modelbuild_runtime.request import Request, Response

logger = logging.getLogger(__name__)

_OVERHEAD = 400
"""Bytes of an entry beside its values."""
_FEW = 64


class Cacheable(Job, Protocol):
    """A job that can tell its client where the answer came from."""

    cache: str


class Cache:
    """In front of ``queue``. ``model`` is what answers hang on beside the question; ``observe`` is told of each whether
    it was a "hit", a "miss" or "shared" with another in flight, and how long it took to find out.
    """

    def __init__(self, queue: Queue, model: bytes, max_bytes: int, observe: Callable[[str, float], None]) -> None:
        self.bytes = 0
        self._queue = queue
        self._model = model
        self._max_bytes = max_bytes
        self._observe = observe
        self._entries: OrderedDict[bytes, Tuple[Response, int]] = OrderedDict()
        self._flights: Dict[bytes, _Flight] = {}
        self._sweep_at = _FEW

    def __len__(self) -> int:
        return len(self._entries)

    def admit(self) -> None:
        """Always: what is known is answered, however many wait."""

    def resume(self, job: Job) -> None:
        """A part of an answer is not a question."""
        self._queue.resume(job)

    def submit(self, job: Cacheable) -> None:
        """Answer at once what is known, else wait with those who ask the same, else ask.

        Raises:
            Overloaded: too many wait already.
        """
        began = monotonic()
        digest = question(job.request, self._model)
        if digest is None:
            self._queue.submit(job)
            return
        found, flight = self._entries.get(digest), self._flights.get(digest)
        if found is not None:
            self._entries.move_to_end(digest)
            self._tell(job, "hit", began)
            job.answer(found[0])
        elif flight is not None and flight.suits(job):
            self._tell(job, "shared", began)
            flight.jobs.append(job)
        else:
            self._tell(job, "miss", began)
            self._ask(digest, [job])

    def _tell(self, job: Cacheable, what: str, began: float) -> None:
        job.cache = what
        self._observe(what, monotonic() - began)

    def _ask(self, digest: bytes, jobs: List[Cacheable]) -> None:
        flight = _Flight(digest, jobs, self)
        self._queue.submit(flight)
        if len(self._flights) >= self._sweep_at:  # of those that nobody waits for, the queue says nothing
            self._flights = {digest: flight for digest, flight in self._flights.items() if not flight.cancelled}
            self._sweep_at = 2 * len(self._flights) + _FEW
        self._flights[digest] = flight

    # What becomes of a flight

    def landed(self, flight: _Flight, response: Response) -> None:
        """Its answer is there."""
        self._forget(flight)
        jobs = flight.wanted
        if response.parts is None and response.raw is None:
            try:
                response = _kept(response)
                self._keep(flight.digest, response)
            except Exception:  # noqa: BLE001  # a handler's answer may be anything, and something that is not copied
                self._entries.pop(flight.digest, None)
        for job in jobs:
            _answer(job, response)

    def failed(self, flight: _Flight, error: ServerError) -> None:
        """There is no answer. Where the one who asked first waited for less time than the others, they ask again."""
        self._forget(flight)
        jobs = flight.wanted
        patient: List[Cacheable] = []
        if flight.asked and isinstance(error, DeadlineExceeded):
            patient = [job for job in jobs if job.request.deadline == 0 or job.request.deadline > flight.deadline]
        for job in jobs:
            if job not in patient:
                job.fail(error)
        if patient:
            try:
                self._ask(flight.digest, patient)
            except ServerError as refusal:
                for job in patient:
                    job.fail(refusal)

    def _forget(self, flight: _Flight) -> None:
        if self._flights.get(flight.digest) is flight:
            del self._flights[flight.digest]

    def _keep(self, digest: bytes, response: Response) -> None:
        size = _size(response)
        if size > self._max_bytes:
            return
        _, before = self._entries.pop(digest, (None, 0))
        self._entries[digest] = (response, size)
        self.bytes += size - before
        while self.bytes > self._max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)  # the one that was asked for longest ago
            self.bytes -= freed


class _Flight:
    """One job for the queue in place of all that ask the same: see ``Job``. It is cancelled when nobody waits for it,
    and then for good. ``asked`` is the deadline of the one who asked first, 0 for none.
    """

    def __init__(self, digest: bytes, jobs: List[Cacheable], cache: Cache) -> None:
        first = jobs[0]
        self.digest = digest
        self.jobs = jobs
        self.asked = first.request.deadline
        self.id = first.id
        self.received = first.received
        self.request: Request = first.request
        self.inputs: Any = first.inputs
        self.count = first.count
        self.key: Any = first.key
        self.deadline = 0.0
        self.queued = 0.0
        self.again = first.again
        self.fingerprint = getattr(first, "fingerprint", 0)
        self._cache = cache
        self._given_up = False

    @property
    def trace(self) -> Any:
        """Of the one who asked first, for the log."""
        return self.jobs[0].trace

    @property
    def ran(self) -> Any:
        return self.jobs[0].ran

    @ran.setter
    def ran(self, ran: Any) -> None:
        """Those who wait came to the queue with the first, or later."""
        for job in self.jobs:
            job.ran, job.queued = ran, max(self.queued, job.received)

    @property
    def wanted(self) -> List[Cacheable]:
        """Those who still wait."""
        return [job for job in self.jobs if not job.cancelled]

    @property
    def cancelled(self) -> bool:
        return self._given_up or all(job.cancelled for job in self.jobs)

    @cancelled.setter
    def cancelled(self, given_up: bool) -> None:
        self._given_up = given_up

    def suits(self, job: Cacheable) -> bool:
        """Whether a further job can wait for it: one that is in more of a hurry cannot."""
        return not self.cancelled and not 0 < job.request.deadline < self.deadline

    def answer(self, response: Response) -> None:
        self._cache.landed(self, response)

    def fail(self, error: ServerError) -> None:
        self._cache.failed(self, error)


def _answer(job: Cacheable, response: Response) -> None:
    """One whose answer cannot be sent keeps nobody else from theirs."""
    try:
        job.answer(response)
    except Exception:
        logger.exception("an answer could not be sent", extra=about(job))


def _kept(response: Response) -> Response:
    """A copy that nobody can change: the model's own memory is used again, and a batch's is larger than a row's."""
    if response.columns is None:
        return msgspec.structs.replace(response, rows=copy.deepcopy(response.rows))
    columns = {name: array.copy() for name, array in response.columns.items()}
    for array in columns.values():
        array.flags.writeable = False
    return msgspec.structs.replace(response, columns=columns)


def _size(response: Response) -> int:
    columns = response.columns or {}
    return _OVERHEAD + sum(_weight(array) for array in columns.values()) + _weight(response.rows or [])


def _weight(value: Any) -> int:
    """Bytes that a value takes, about."""
    if isinstance(value, np.ndarray):
        own: int = value.nbytes + _OVERHEAD // 4
        return own + (sum(_weight(item) for item in value.ravel().tolist()) if value.dtype.hasobject else 0)
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(_weight(key) + _weight(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set)):
        return size + sum(_weight(item) for item in value)
    return size + sum(_weight(item) for item in vars(value).values()) if hasattr(value, "__dict__") else size
