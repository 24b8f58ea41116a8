"""How long a run of so many rows will probably take, for who has promised an answer in time: a curve through the sizes
that were run, on the safe side of what each took.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

_WEIGHT = 0.125
_SAFE = 4.0
"""Mean excesses above the mean: what nearly all runs keep to."""
_FIRST_EXCESS = 0.0625
_HICCUP = 2.0
"""Times the mean that one run counts as at most, unless the one before was as long: a pause of the machine must not
turn away what follows it."""
_FRESH = 20.0
"""Times its own time of running without a size after which it may be better than it was: to try it again must cost
little.
"""
_STALE = 2.0
"""Seconds of that at most."""


class _Known:
    """What is known of a power of two of rows."""

    __slots__ = ("excess", "last", "mean", "rows", "seen")

    def __init__(self, rows: float, mean: float, excess: float, seen: float) -> None:
        self.rows = rows  # mean
        self.mean = mean
        self.excess = excess  # above the mean, 0 for what took less; mean
        self.last = mean
        self.seen = seen  # seconds of all runs until then


class Forecast:
    """A mean and a mean excess for each power of two of rows, and straight lines between them. ``observed`` is how
    many runs it knows of.
    """

    def __init__(self) -> None:
        self.observed = 0
        self._ran = 0.0  # seconds of all runs
        self._known: Dict[int, _Known] = {}  # from the largest to the smallest
        self._curve: List[Tuple[float, float]] = []

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one run."""
        self.observed += 1
        self._ran += seconds
        size = rows.bit_length()
        known = self._known.get(size)
        if known is None:
            self._known[size] = known = _Known(rows, seconds, seconds * _FIRST_EXCESS, self._ran)
            self._known = dict(sorted(self._known.items(), reverse=True))
        else:
            mean = known.mean
            off = min(seconds, max(mean * _HICCUP, known.last)) - mean
            known.rows += _WEIGHT * (rows - known.rows)
            known.mean = mean + _WEIGHT * off
            known.excess += _WEIGHT * (max(0.0, off) - known.excess)
            known.last = seconds
            known.seen = self._ran
        self._draw(known)

    def seconds(self, rows: int) -> float:
        """For a run of so many rows; beyond the largest that was seen in proportion to it. 0 while none was seen."""
        before: Tuple[float, float] = (0.0, 0.0)
        for point in self._curve:
            if rows <= point[0]:
                return _between(before, point, rows) if before[0] else point[1]
            before = point
        return before[1] * rows / before[0] if before[0] else 0.0

    def latest(self, rows: int) -> float:
        """Seconds of the last run of about so many rows; what is forecast where there was none."""
        known = self._known.get(rows.bit_length())
        return known.last if known is not None else self.seconds(rows)

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

    def _draw(self, seen: _Known) -> None:
        """The curve never falls: what takes a larger run its time is enough for a smaller one. What was just seen wins:
        no larger run is quicker, and one that was not seen for long takes no more than in proportion.
        """
        curve: List[Tuple[float, float]] = []
        least = float("inf")
        mean, ran = seen.mean, self._ran
        larger = seen.rows > 0  # the next part of an answer counts no rows, and says nothing of others
        for known in self._known.values():
            if known is seen:
                larger = False
            elif larger:
                if known.mean < mean:
                    known.mean, known.excess, known.last, known.seen = mean, seen.excess, seen.last, ran
                elif known.mean * seen.rows > mean * known.rows and ran - known.seen > min(_FRESH * known.last, _STALE):
                    times = known.rows / seen.rows
                    known.mean, known.excess = mean * times, min(known.excess, seen.excess * times)
            least = min(least, known.mean + _SAFE * known.excess)
            curve.append((known.rows, least))
        curve.reverse()
        self._curve = curve


def _between(one: Tuple[float, float], other: Tuple[float, float], rows: int) -> float:
    share = (rows - one[0]) / (other[0] - one[0])
    return one[1] + share * (other[1] - one[1])
