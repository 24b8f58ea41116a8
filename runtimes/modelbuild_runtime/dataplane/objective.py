"""A latency objective: which requests can be answered within it, and which of them to run together.

Two runs fit into the objective: whoever arrives just after a run began waits for its end and is in the next. What would
have to wait for longer is turned away at once, so that those who are let in are answered in time.
"""

from __future__ import annotations

import math
from typing import List, NamedTuple, Sequence

from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.job import Job

_RUNS = 2
_HARDLY_MORE = 1.2
_SPARE = 0.1
"""Of the objective, for what the queue does not see: reading, writing, and the loop's other work."""
_REST = 10
"""Runs that a probe's time is away from the next: who never runs a model never learns that it has become faster."""
_LONGEST_REST = 1.0
_WORTH = 2
"""A job is given up where a batch in time for it is smaller by more than this factor than one without it."""


class Backlog(NamedTuple):
    """What is there before the next request: requests and rows that wait, and the run of the moment."""

    jobs: int
    rows: int
    began: float = 0.0  # 0 where nothing runs
    running: int = 0  # rows


class Choice(NamedTuple):
    """Which of the waiting jobs have no chance, and how many rows to run with the first of the others."""

    hopeless: int
    rows: int


class Objective:
    """``seconds`` from a request's arrival to its answer; ``forecast`` says how long runs take."""

    def __init__(self, seconds: float, forecast: Forecast, max_rows: int) -> None:
        self.seconds = seconds
        self._spare = seconds * _SPARE
        self._forecast = forecast
        self._max_rows = max_rows
        self._probed = -math.inf
        self._probe = 0  # rows
        self._known = -1
        self._rows = max_rows

    @property
    def rows(self) -> int:
        """Rows of the largest batch of which two in a row are in time, or which takes hardly longer than one row."""
        forecast = self._forecast
        if self._known != forecast.observed:
            self._known = forecast.observed
            in_time = self.seconds - self._spare
            limit = max(in_time / _RUNS, min(in_time, forecast.seconds(1) * _HARDLY_MORE))
            self._rows = max(1, forecast.rows(limit, self._max_rows))
        return self._rows

    def has_room(self, backlog: Backlog, left: float, now: float, count: int = 1, *, alone: bool = False) -> bool:
        """Whether a request of so many rows, which has so many seconds left, can be answered behind the backlog.
        ``alone``: jobs are not joined.
        """
        seconds = self._forecast.seconds
        left -= self._spare
        if not backlog.jobs and not backlog.began:
            return seconds(count) <= left or self._may_probe(now)
        wait = 0.0
        if backlog.began:
            off = now - backlog.began - seconds(backlog.running)
            wait = abs(off)  # a run that is late already may well be so for as long again
        if alone:
            mean = max(1, backlog.rows // max(1, backlog.jobs))
            return wait + backlog.jobs * seconds(mean) + seconds(count) <= left
        rows = self.rows
        before, beside = divmod(backlog.rows, rows)
        if beside and beside + count > rows:
            before, beside = before + 1, 0
        return wait + before * seconds(rows) + seconds(beside + count) <= left

    def choose(self, waiting: Sequence[Job], now: float) -> Choice:
        """From jobs in the order of their deadlines. A job that is nearly too late would make a batch of few, and many
        behind it too late: it is given up for them.
        """
        rows, backlog = self.rows, sum([job.count for job in waiting])
        for at, job in enumerate(waiting):
            left = job.deadline - now - self._spare
            fitting = self._forecast.rows(left, rows)
            in_time = self._forecast.seconds(job.count) <= left
            if in_time and max(fitting, job.count) * _WORTH >= min(backlog, rows):
                return Choice(at, max(fitting, job.count))
            if not in_time and at == len(waiting) - 1 and self._may_probe(now):
                self._probed, self._probe = now, job.count
                return Choice(at, job.count)
            backlog -= job.count
        return Choice(len(waiting), 0)

    def _may_probe(self, now: float) -> bool:
        """One that was in time is followed by the next at once: a slow spell may be over."""
        rest = self._forecast.latest(self._probe)
        if rest > self.seconds - self._spare:
            rest = min(_LONGEST_REST, _REST * rest)
        return now >= self._probed + rest


def by_deadline(waiting: List[Job], patience: float) -> None:
    """Sort by deadline; a deadline that is further away than ``patience`` counts as if it were not, or whoever has set
    none would wait for ever behind those who have.
    """
    waiting.sort(key=lambda job: min(job.deadline, job.queued + patience))
