"""What the server counts. Plain numbers on the hot path; they become Prometheus' text in ``exposition`` when asked for."""

from __future__ import annotations

import time
from typing import Dict, List, Sequence, Tuple

from modelbuild_runtime.batcher import Job
from modelbuild_runtime.histogram import ROWS, Histogram
from modelbuild_runtime.protocols import Statistics

STAGES = ("queue", "decode", "predict", "encode")


class Metrics:
    """Counters of one process. Only the event loop's thread writes them."""

    def __init__(self) -> None:
        self.requests: Dict[Tuple[str, int], int] = {}
        self.duration = Histogram()
        self.stages: Dict[str, Histogram] = {stage: Histogram() for stage in STAGES}
        self.batch_rows = Histogram(ROWS)
        self.batch_requests = Histogram(ROWS)
        self.shed_requests: Dict[str, int] = {"queue": 0, "deadline": 0, "cancelled": 0}
        self.succeeded: List[float] = [0, 0.0]  # how many predictions, and their seconds
        self.failed: List[float] = [0, 0.0]
        self.last = 0.0

    def response(self, protocol: str, status: int, seconds: float) -> None:
        """A response leaves."""
        key = (protocol, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        self.duration.observe(seconds)

    def prediction(self, seconds: float, *, succeeded: bool) -> None:
        """An attempt to predict has ended."""
        sums = self.succeeded if succeeded else self.failed
        sums[0] += 1
        sums[1] += seconds

    def run(self, jobs: Sequence[Job], rows: int, began: float, seconds: float) -> None:
        """The model ran."""
        queue = self.stages["queue"]
        for job in jobs:
            queue.observe(began - job.queued)
        self.stages["predict"].observe(seconds)
        self.batch_rows.observe(rows)
        self.batch_requests.observe(len(jobs))

    def answered(self, jobs: int, seconds: float) -> None:
        """The answers of one run were encoded and written."""
        self.stages["encode"].observe(seconds / jobs, jobs)
        self.last = time.time()

    def shed(self, reason: str) -> None:
        """A request was turned away, or given up."""
        self.shed_requests[reason] += 1

    def statistics(self) -> Statistics:
        """The sums that protocols report."""
        return Statistics(
            succeeded=int(self.succeeded[0]),
            failed=int(self.failed[0]),
            rows=int(self.batch_rows.total),
            batches=sum(self.batch_rows.counts),
            last=int(self.last * 1000),
            succeeded_ns=int(self.succeeded[1] * 1e9),
            failed_ns=int(self.failed[1] * 1e9),
            queue_ns=int(self.stages["queue"].total * 1e9),
            decode_ns=int(self.stages["decode"].total * 1e9),
            predict_ns=int(self.stages["predict"].total * 1e9),
            encode_ns=int(self.stages["encode"].total * 1e9),
        )
