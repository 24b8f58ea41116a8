"""How long a run of so many rows will probably take, for who has promised an answer in time: a curve through the sizes
that were run, on the safe side of what each took.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

_WEIGHT = 0.125
_SAFE = 2.0
"""Mean deviations above the mean: what nearly all runs keep to."""
_FIRST_DEVIATION = 0.125
_HICCUP = 2.0
"""Times the mean that one run counts as at most: a pause of the machine must not turn away what follows it."""


class Forecast:
    """A mean and a mean deviation for each power of two of rows, and straight lines between them. ``observed`` is how
    many runs it knows of.
    """

    def __init__(self) -> None:
        self.observed = 0
        self._known: Dict[int, Tuple[float, float, float]] = {}  # rows, seconds and their deviation, all means
        self._curve: List[Tuple[float, float]] = []

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one run."""
        self.observed += 1
        size = rows.bit_length()
        known = self._known.get(size)
        if known is None:
            self._known[size] = (rows, seconds, seconds * _FIRST_DEVIATION)
        else:
            mean_rows, mean, deviation = known
            off = min(seconds, mean * _HICCUP) - mean
            self._known[size] = (
                mean_rows + _WEIGHT * (rows - mean_rows),
                mean + _WEIGHT * off,
                deviation + _WEIGHT * (abs(off) - deviation),
            )
        self._draw()

    def seconds(self, rows: int) -> float:
        """For a run of so many rows; beyond the largest that was seen in proportion to it. 0 while none was seen."""
        before: Tuple[float, float] = (0.0, 0.0)
        for point in self._curve:
            if rows <= point[0]:
                return _between(before, point, rows) if before[0] else point[1]
            before = point
        return before[1] * rows / before[0] if before[0] else 0.0

    def rows(self, seconds: float, most: int) -> int:
        """The most rows that a run of so many seconds can have; 0 where it has not the time for one."""
        if not self._curve or self.seconds(most) <= seconds:
            return most
        low, high = 0, most
        while high - low > 1:  # low fits, high does not
            middle = (low + high) // 2
            if self.seconds(middle) <= seconds:
                low = middle
            else:
                high = middle
        return low

    def _draw(self) -> None:
        """The curve never falls: what takes a larger run its time is enough for a smaller one."""
        curve: List[Tuple[float, float]] = []
        least = float("inf")
        for size in sorted(self._known, reverse=True):
            rows, mean, deviation = self._known[size]
            least = min(least, mean + _SAFE * deviation)
            curve.append((rows, least))
        self._curve = curve[::-1]


def _between(one: Tuple[float, float], other: Tuple[float, float], rows: int) -> float:
    share = (rows - one[0]) / (other[0] - one[0])
    return one[1] + share * (other[1] - one[1])
