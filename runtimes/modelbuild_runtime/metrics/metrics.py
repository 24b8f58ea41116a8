"""What the server counts: plain numbers on the hot path, Prometheus' text (``exposition``) only when asked for.

Workers add up: each leaves its numbers on a board that all can read, so that a scrape of any one tells of all.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import msgspec

from modelbuild_runtime.dataplane.batcher import Job
from modelbuild_runtime.metrics.histogram import ROWS, Histogram
from modelbuild_runtime.protocols import Statistics

STAGES = ("queue", "decode", "predict", "encode")
_KEPT = 256
"""Runs that are noted before they are counted."""


_Run = Tuple[int, int, float, float, float]
"""Requests, rows, and seconds in the queue, before it and in the model."""


class Metrics:
    """Counters of one process, or of several added up. Only the event loop's thread writes them."""

    def __init__(self) -> None:
        self.requests: Dict[Tuple[str, int], int] = {}
        self.duration = Histogram()
        self._stages: Dict[str, Histogram] = {stage: Histogram() for stage in STAGES}
        self._batch_rows = Histogram(ROWS)
        self._batch_requests = Histogram(ROWS)
        self._noted: List[_Run] = []
        self.shed_requests: Dict[str, int] = {"queue": 0, "deadline": 0, "slo": 0}
        self.cache: Dict[str, List[float]] = {outcome: [0, 0.0] for outcome in ("hit", "shared", "miss")}
        self.succeeded: List[float] = [0, 0.0]  # how many predictions, and their seconds
        self.failed: List[float] = [0, 0.0]
        self.last = 0.0

    def response(self, protocol: str, status: int, seconds: float, predicted: bool) -> None:
        """A response leaves; ``predicted`` where it was asked for a prediction."""
        key = (protocol, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        duration = self.duration
        duration.counts[bisect_left(duration.edges, seconds)] += 1
        duration.total += seconds
        if predicted:
            sums = self.succeeded if status < 400 else self.failed
            sums[0] += 1
            sums[1] += seconds

    def run(self, jobs: Sequence[Job], rows: int, began: float, seconds: float) -> None:
        """The model ran. Jobs of one run count with their mean times in the queue and before it: sums are exact."""
        queued = received = 0.0
        for job in jobs:
            queued += job.queued
            received += job.received
        count = len(jobs)
        # Counted later, many at once: between two predictions the code that counts would be out of the processor's
        # caches each time, and would take several times as long.
        self._noted.append((count, rows, began - queued / count, (queued - received) / count, seconds))
        if len(self._noted) >= _KEPT:
            self._count()

    def answered(self, jobs: int, seconds: float) -> None:
        """The answers of one run were encoded and written."""
        self._stages["encode"].observe(seconds / jobs, jobs)
        self.last = time.time()

    def shed(self, reason: str) -> None:
        """A request was turned away, or given up."""
        self.shed_requests[reason] += 1

    def looked_up(self, outcome: str, seconds: float) -> None:
        """The cache was asked."""
        sums = self.cache[outcome]
        sums[0] += 1
        sums[1] += seconds

    def statistics(self) -> Statistics:
        """The sums that protocols report."""
        nanoseconds = {stage: int(histogram.total * 1e9) for stage, histogram in self.stages.items()}
        hits, misses = [sum(sums) for sums in zip(self.cache["hit"], self.cache["shared"])], self.cache["miss"]
        return Statistics(
            succeeded=int(self.succeeded[0]),
            failed=int(self.failed[0]),
            rows=int(self.batch_rows.total),
            batches=sum(self.batch_rows.counts),
            last=int(self.last * 1000),
            succeeded_ns=int(self.succeeded[1] * 1e9),
            failed_ns=int(self.failed[1] * 1e9),
            queue_ns=nanoseconds["queue"],
            decode_ns=nanoseconds["decode"],
            predict_ns=nanoseconds["predict"],
            encode_ns=nanoseconds["encode"],
            cache_hits=int(hits[0]),
            cache_misses=int(misses[0]),
            cache_hit_ns=int(hits[1] * 1e9),
            cache_miss_ns=int(misses[1] * 1e9),
        )

    def dump(self) -> bytes:
        """All numbers, for another process."""
        return msgspec.msgpack.encode(
            {
                "requests": [(*key, count) for key, count in self.requests.items()],
                "histograms": [(histogram.counts, histogram.total) for histogram in self._histograms()],
                "shed": self.shed_requests,
                "cache": self.cache,
                "sums": (self.succeeded, self.failed),
                "last": self.last,
            }
        )

    def add(self, dumped: bytes) -> None:
        """Add another's numbers to these."""
        other: Dict[str, Any] = msgspec.msgpack.decode(dumped)
        for protocol, status, count in other["requests"]:
            self.requests[protocol, status] = self.requests.get((protocol, status), 0) + count
        for histogram, (counts, total) in zip(self._histograms(), other["histograms"]):
            histogram.add(counts, total)
        for reason, count in other["shed"].items():
            self.shed_requests[reason] += count
        for mine, theirs in zip((self.succeeded, self.failed), other["sums"]):
            mine[:] = [one + two for one, two in zip(mine, theirs)]
        for outcome, theirs in other["cache"].items():
            self.cache[outcome] = [one + two for one, two in zip(self.cache[outcome], theirs)]
        self.last = max(self.last, other["last"])

    @property
    def stages(self) -> Dict[str, Histogram]:
        """Seconds by stage."""
        self._count()
        return self._stages

    @property
    def batch_rows(self) -> Histogram:
        """Rows of the runs."""
        self._count()
        return self._batch_rows

    @property
    def batch_requests(self) -> Histogram:
        """Requests of the runs."""
        self._count()
        return self._batch_requests

    def _count(self) -> None:
        """Put what was noted where it belongs."""
        stages = self._stages
        for count, rows, queue, decode, predict in self._noted:
            stages["queue"].observe(queue, count)
            stages["decode"].observe(decode, count)
            stages["predict"].observe(predict)
            self._batch_rows.observe(rows)
            self._batch_requests.observe(count)
        self._noted.clear()

    def _histograms(self) -> Iterator[Histogram]:
        yield from (self.duration, *self.stages.values(), self.batch_rows, self.batch_requests)
