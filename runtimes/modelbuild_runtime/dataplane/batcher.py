"""Joins the requests that wait into one run of the model, and keeps their deadlines.

Tick batching: everything that the event loop read in one turn is run together at the end of that turn. Nothing is ever
delayed to fill a batch. The nearest deadline goes first. Runs that take longer than about two milliseconds are made by
one thread beside the loop, so that the loop goes on reading, and answering health checks; what arrives meanwhile is the
next batch. The model is never called by two threads at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from functools import partial
from time import monotonic
from typing import Callable, List, Sequence, Tuple

from modelbuild_runtime.beside import Beside, Then
from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.job import ALONE, Job, Observer, Outcome
from modelbuild_runtime.dataplane.objective import Backlog, Objective, by_deadline
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.dataplane.watch import PATROL, Watch
from modelbuild_runtime.errors import DeadlineExceeded, Overloaded, ServerError
from modelbuild_runtime.log import about
from modelbuild_runtime.request import Response

logger = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds after which a job without a near deadline is as urgent as one that has it."""


class Batcher:
    """``run`` makes one outcome a job, in order, and never raises. Jobs are submitted and answered on ``loop``."""

    def __init__(
        self,
        run: Callable[[Sequence[Job]], List[Outcome]],
        observer: Observer,
        pace: Pace,
        loop: asyncio.AbstractEventLoop,
        *,
        max_rows: int,
        max_waiting: int,
        max_rows_waiting: int = sys.maxsize,
        timeout: float,
        slo: float = 0.0,
    ) -> None:
        self._run = run
        self._observer = observer
        self._pace = pace
        self._loop = loop
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._max_rows_waiting = max_rows_waiting
        self._timeout = timeout
        self._slo = slo
        self._patience = slo or _PATIENCE
        self._objective = Objective(slo, pace.forecast or Forecast(), max_rows) if slo else None
        self._waiting: List[Job] = []
        self._rows = 0  # that wait
        self._unsorted = False
        self._alone = False  # the job that came last is not joined
        self._running: Sequence[Job] = ()
        self._running_rows = 0
        self._began = 0.0
        self._deadlines = Watch(loop, self._patrol)  # of waiting and running jobs, while the thread is busy
        self._scheduled = False
        self._beside = Beside(loop, "predict")

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._waiting)

    @property
    def age(self) -> float:
        """Seconds for which the oldest job in the queue has waited."""
        return monotonic() - min([job.queued for job in self._waiting]) if self._waiting else 0.0

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return not self._waiting and not self._running

    @property
    def stuck(self) -> bool:
        """The run of the moment has outlived every job's time: no prediction can be made until it ends."""
        return bool(self._running) and monotonic() - self._began > self._timeout

    @property
    def hung(self) -> bool:
        """It has gone on for as long again, and may never end."""
        return self.stuck and monotonic() - self._began > 2 * self._timeout

    def close(self) -> None:
        """What waits and runs is still answered; after that the thread ends."""
        if not self.idle:
            self._loop.call_later(PATROL, self.close)
        else:
            self._beside.end()

    def admit(self) -> None:
        """Asked before a request is even decoded: would it be taken?

        Raises:
            Overloaded: no.
        """
        if len(self._waiting) >= self._max_waiting:
            raise self._full()
        if self._objective is not None:
            self._check_objective(1, self._slo, alone=self._alone)

    def submit(self, job: Job) -> None:
        """Take a job; its ``answer`` or ``fail`` is called later, on the loop.

        Raises:
            Overloaded: too many wait already, or too many to answer this one in time.
        """
        if len(self._waiting) >= self._max_waiting or (
            self._waiting and self._rows + job.count > self._max_rows_waiting
        ):
            raise self._full()
        if self._objective is not None:
            self._alone = job.key is ALONE
            left = self._slo - (monotonic() - job.received)
            self._check_objective(job.count, left, alone=self._alone)
            self._wait(job, job.received + self._slo)
        else:
            self._wait(job)

    def resume(self, job: Job) -> None:
        """Take a job of an answer that has begun, however many wait."""
        self._wait(job)

    def _wait(self, job: Job, latest: float = 0.0) -> None:
        job.queued = now = monotonic()
        deadline = now + self._timeout
        if 0 < latest < deadline:
            deadline = latest
        asked = job.request.deadline
        if 0 < asked < deadline:
            deadline = asked
            self._unsorted = True
        job.deadline = deadline
        self._waiting.append(job)
        self._rows += job.count
        if self._running:
            if deadline < self._deadlines.at:
                self._watch(deadline)
        elif not self._scheduled:
            self._schedule()

    def _check_objective(self, count: int, left: float, *, alone: bool) -> None:
        backlog = Backlog(len(self._waiting), self._rows, self._began if self._running else 0.0, self._running_rows)
        if not self._objective.has_room(backlog, left, monotonic(), count, alone=alone):  # type: ignore[union-attr]
            raise self._hopeless()

    def _schedule(self) -> None:
        if not self._running:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """One turn: make one run of what waits; leave the rest for the next turn, so that reading goes on."""
        self._scheduled = False
        if self._running:  # whoever was answered has asked again, before the run began
            return
        jobs, rows = self._take()
        if not jobs:
            return
        if not rows or self._pace.is_slow(rows):  # parts count no rows
            self._hand_over(jobs, rows)
            return
        began = monotonic()
        outcomes = self._outcomes(jobs)
        self._finish(jobs, rows, began, monotonic() - began, outcomes)
        if self._waiting and not self._scheduled:
            self._schedule()

    def _take(self) -> Tuple[List[Job], int]:
        """The most urgent job that waits and all that may be joined with it."""
        now = monotonic()
        most = self._max_rows
        if self._unsorted or self._objective is not None:
            self._unsorted = False
            by_deadline(self._waiting, self._patience)
        if self._objective is not None:
            most = self._give_up_hopeless(self._objective, now)
        taken: List[Job] = []
        left: List[Job] = []
        rows, waiting, key = 0, 0, None
        for job in self._waiting:
            if job.cancelled:
                continue
            if job.deadline < now:
                self._expire(job)
            elif not taken:
                taken.append(job)
                rows, key = job.count, job.key
                most = 0 if key is ALONE else most
            elif rows + job.count <= most and job.key == key:
                taken.append(job)
                rows += job.count
            else:
                left.append(job)
                waiting += job.count
        self._waiting = left
        self._rows = waiting
        return taken, rows

    def _give_up_hopeless(self, objective: Objective, now: float) -> int:
        """Turn away those that will not be answered in time; how many rows may run with the first of the rest."""
        live = [job for job in self._waiting if not job.cancelled]
        late = [job for job in live if job.deadline < now]
        waiting = [job for job in live if job.deadline >= now]
        choice = objective.choose(waiting, now)
        self._waiting = waiting[choice.hopeless :]
        for job in late:
            self._expire(job)
        for job in waiting[: choice.hopeless]:
            job.fail(self._hopeless())
        return choice.rows

    def _finish(
        self, jobs: Sequence[Job], rows: int, began: float, seconds: float, outcomes: Sequence[Outcome]
    ) -> None:
        self._pace.ran(rows, seconds)
        self._observer.run(jobs, rows, began, seconds)
        for job, outcome in zip(jobs, outcomes):
            if job.cancelled:
                continue
            try:
                if isinstance(outcome, Response):
                    job.answer(outcome)
                else:
                    job.fail(outcome)
            except Exception:
                logger.exception("an answer could not be sent", extra=about(job))
        self._observer.answered(len(jobs), monotonic() - began - seconds)

    def _hand_over(self, jobs: Sequence[Job], rows: int) -> None:
        self._running = jobs
        self._running_rows = rows
        self._began = monotonic()
        self._beside.do(partial(self._run_beside, jobs, rows))
        self._watch()

    def _run_beside(self, jobs: Sequence[Job], rows: int) -> Then:
        began = monotonic()
        outcomes = self._outcomes(jobs)
        return partial(self._returned, jobs, rows, began, monotonic() - began, outcomes)

    def _outcomes(self, jobs: Sequence[Job]) -> List[Outcome]:
        try:
            return self._run(jobs)
        except BaseException:  # a bug of ours, or no memory to tell of one: whoever waits gets an answer
            logger.exception("a run failed")
            return [ServerError("the server failed; its log says why") for _ in jobs]

    def _returned(
        self, jobs: Sequence[Job], rows: int, began: float, seconds: float, outcomes: Sequence[Outcome]
    ) -> None:
        self._running = ()
        self._finish(jobs, rows, began, seconds, outcomes)
        # The next run begins a turn later: clients that were just answered often have their next request ready by
        # then, and would otherwise miss the batch by microseconds, for ever.
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self._flush)

    def _watch(self, at: float = math.inf) -> None:
        """See to it that there is a patrol by the nearest deadline."""
        first = self._waiting[:1]  # where some are more urgent than others, they are in order
        self._deadlines.by(min([at, *[job.deadline for job in (*self._running, *first) if not job.cancelled]]))

    def _patrol(self) -> None:
        """Answer those whose time is over, whether they wait or run."""
        if not self._running:
            return
        now = monotonic()
        for job in self._running:
            if job.deadline < now and not job.cancelled:
                self._expire(job)
        late = [job for job in self._waiting if job.deadline < now or job.cancelled]
        if late:
            self._waiting = [job for job in self._waiting if job.deadline >= now and not job.cancelled]
            self._rows = sum([job.count for job in self._waiting])
            for job in late:
                if not job.cancelled:
                    self._expire(job)
        self._watch()

    def _expire(self, job: Job) -> None:
        job.cancelled = True
        self._observer.shed("deadline")
        job.fail(DeadlineExceeded("the deadline passed before the prediction was made"))

    def _full(self) -> Overloaded:
        self._observer.shed("queue")
        rows = self._rows
        seconds = self._pace.estimate(min(rows, self._max_rows)) * rows / self._max_rows
        return Overloaded("too many requests are waiting; come back later", retry_after=max(1, math.ceil(seconds)))

    def _hopeless(self) -> Overloaded:
        self._observer.shed("slo")
        return Overloaded("this request could not be answered in time; come back later", retry_after=1)
