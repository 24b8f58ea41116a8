"""What is counted of one model: its runs, and what became of the requests for it."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from modelbuild_runtime.dataplane.job import Job
from modelbuild_runtime.metrics.histogram import ROWS, Histogram
from modelbuild_runtime.metrics.marks import Marks, Ran, split
from modelbuild_runtime.protocols import Statistics

STAGES = ("queue", "decode", "preprocess", "predict", "postprocess", "encode")
_KEPT = 256
"""Runs that are noted before they are counted."""

_Run = Tuple[int, int, float, float, float, float, float]
"""Requests, rows, and seconds in the queue, before it, and in the three stages of the run."""


class ModelMetrics:
    """The batcher's observer. With ``detailed``, each job is told of its run, for who describes single requests.
    ``marks`` are those that the model's pipeline makes, if it makes any.
    """

    def __init__(self, name: str, *, detailed: bool = False) -> None:
        self.name = name
        self.marks = Marks()
        self.shed_requests: Dict[str, int] = {"queue": 0, "deadline": 0, "slo": 0, "gone": 0}
        self.cache: Dict[str, List[float]] = {outcome: [0, 0.0] for outcome in ("hit", "shared", "miss")}
        self.last = 0.0
        self._detailed = detailed
        self._stages: Dict[str, Histogram] = {stage: Histogram() for stage in STAGES}
        self._batch_rows = Histogram(ROWS)
        self._batch_requests = Histogram(ROWS)
        self._noted: List[_Run] = []
        self._encoded: List[Tuple[float, int]] = []

    def run(self, jobs: Sequence[Job], rows: int, began: float, seconds: float) -> None:
        """The model ran. Jobs of one run count with their mean times in the queue and before it: sums are exact."""
        ended = began + seconds
        model_began, model_ended = split(self.marks, began, ended)
        queued = received = 0.0
        for job in jobs:
            queued += job.queued
            received += job.received
        count = len(jobs)
        # Counted later, many at once: between two predictions the code that counts would be out of the processor's
        # caches each time, and would take several times as long.
        self._noted.append(
            (
                count,
                rows,
                began - queued / count,
                (queued - received) / count,
                model_began - began,
                model_ended - model_began,
                ended - model_ended,
            )
        )
        if self._detailed:
            ran = Ran(began, model_began, model_ended, ended, count, rows)
            for job in jobs:
                job.ran = ran
        if len(self._noted) >= _KEPT:
            self._count()

    def answered(self, jobs: int, seconds: float) -> None:
        """The answers of one run were encoded and written."""
        self._encoded.append((seconds / jobs, jobs))
        self.last = time.time()

    def shed(self, reason: str) -> None:
        """A request was turned away, or given up."""
        self.shed_requests[reason] = self.shed_requests.get(reason, 0) + 1

    def looked_up(self, outcome: str, seconds: float) -> None:
        """The cache was asked."""
        sums = self.cache[outcome]
        sums[0] += 1
        sums[1] += seconds

    def statistics(self) -> Statistics:
        """The sums of the runs."""
        nanoseconds = {stage: int(histogram.total * 1e9) for stage, histogram in self.stages.items()}
        hits, misses = [sum(sums) for sums in zip(self.cache["hit"], self.cache["shared"])], self.cache["miss"]
        return Statistics(
            rows=int(self.batch_rows.total),
            batches=sum(self.batch_rows.counts),
            last=int(self.last * 1000),
            queue_ns=nanoseconds["queue"],
            decode_ns=nanoseconds["decode"],
            predict_ns=nanoseconds["preprocess"] + nanoseconds["predict"] + nanoseconds["postprocess"],
            encode_ns=nanoseconds["encode"],
            cache_hits=int(hits[0]),
            cache_misses=int(misses[0]),
            cache_hit_ns=int(hits[1] * 1e9),
            cache_miss_ns=int(misses[1] * 1e9),
        )

    def dump(self) -> Dict[str, Any]:
        """All numbers, for another process."""
        return {
            "histograms": [(histogram.counts, histogram.total) for histogram in self._histograms()],
            "shed": self.shed_requests,
            "cache": self.cache,
            "last": self.last,
        }

    def add(self, other: Dict[str, Any]) -> None:
        """Add another's numbers to these."""
        for histogram, (counts, total) in zip(self._histograms(), other["histograms"]):
            histogram.add(counts, total)
        for name, count in other["shed"].items():
            self.shed_requests[name] = self.shed_requests.get(name, 0) + count
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
        if self._noted:
            counts, rows, queue, decode, preprocess, predict, postprocess = zip(*self._noted)
            stages["queue"].observe_all(queue, counts)
            stages["decode"].observe_all(decode, counts)
            stages["preprocess"].observe_all(preprocess)
            stages["predict"].observe_all(predict)
            stages["postprocess"].observe_all(postprocess)
            self._batch_rows.observe_all(rows)
            self._batch_requests.observe_all(counts)
            self._noted.clear()
        if self._encoded:
            stages["encode"].observe_all(*zip(*self._encoded))
            self._encoded.clear()

    def _histograms(self) -> Iterator[Histogram]:
        yield from (*self.stages.values(), self.batch_rows, self.batch_requests)
