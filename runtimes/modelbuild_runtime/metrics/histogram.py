"""A histogram as plain lists: one observation costs a bisection and two additions."""

from __future__ import annotations

from bisect import bisect_left
from typing import Iterator, List, Optional, Sequence, Tuple

import numpy as np

SECONDS = (
    *(0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Histogram:
    """``edges`` are inclusive upper bounds; the last count is of everything above."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float] = SECONDS) -> None:
        self.edges = edges
        self.counts: List[int] = [0] * (len(edges) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, or the same value several times."""
        self.counts[bisect_left(self.edges, value)] += times
        self.total += value * times

    def observe_all(self, values: Sequence[float], times: Optional[Sequence[int]] = None) -> None:
        """Count many values, each so many times; once where nothing is said."""
        places = np.searchsorted(self.edges, values)
        for place, count in enumerate(np.bincount(places, times, len(self.counts)).tolist()):
            self.counts[place] += int(count)
        self.total += float(np.dot(values, times)) if times is not None else float(np.sum(values))

    def cumulative(self) -> Iterator[Tuple[str, float]]:
        """Buckets as Prometheus wants them: upper bound, and how many values are not above it."""
        below = 0
        for edge, count in zip((*self.edges, float("inf")), self.counts):
            below += count
            yield ("+Inf" if edge == float("inf") else repr(float(edge))), below

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add the observations of another histogram with the same edges."""
        self.counts[:] = [mine + theirs for mine, theirs in zip(self.counts, counts)]
        self.total += total
