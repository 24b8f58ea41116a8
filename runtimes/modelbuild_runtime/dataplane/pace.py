"""How long a run of so many rows takes, learnt from the runs made: it decides whether the next blocks the loop."""

from __future__ import annotations

from time import monotonic
from typing import Callable, List, Optional

from modelbuild_runtime.dataplane.forecast import Forecast

SLOW = 0.002
"""Seconds from which a run belongs beside the loop. Handing over costs a hundredth of it, and more where the handler is
Python: it and the loop take the interpreter from each other.
"""

_LONG = 0.1
"""Seconds of a run that shows how uneven a model is: its handler waits for something now and then, or met a long text.
Shorter ones may be pauses of a process that has used up its CPU quota."""
_MEMORY = 60.0
"""Seconds for which such a run keeps those after it beside the loop."""
_WEIGHT = 0.25
_SIZES = 40


class Pace:
    """A moving average for each power of two of rows. ``forecast`` learns from the same runs, where one is wanted."""

    def __init__(self, forecast: Optional[Forecast] = None, clock: Callable[[], float] = monotonic) -> None:
        self.forecast = forecast
        self._clock = clock
        self._uneven_until = 0.0
        self._seconds: List[float] = [0.0] * _SIZES
        self._slow: List[bool] = [False] * _SIZES

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one run."""
        size = rows.bit_length()
        known = self._seconds[size]
        self._seconds[size] = average = known + _WEIGHT * (seconds - known) if known else seconds
        self._slow[size] = average > SLOW
        if self.forecast is not None:
            self.forecast.observe(rows, seconds)

    def ran(self, rows: int, seconds: float) -> None:
        """Learn from a run of requests. After a long one, however quick those before it were, the next may be, too."""
        self.observe(rows, seconds)
        if seconds > _LONG:
            self._uneven_until = self._clock() + _MEMORY

    def is_slow(self, rows: int) -> bool:
        """Whether such a run would hold up the loop."""
        size = rows.bit_length()
        if self._slow[size] if self._seconds[size] else self.estimate(rows) > SLOW:
            return True
        return self._uneven_until > 0.0 and self._clock() < self._uneven_until

    def estimate(self, rows: int) -> float:
        """Seconds for a run of so many rows; of a size not seen yet, in proportion to the next smaller one."""
        size = rows.bit_length()
        for known in range(size, -1, -1):
            if self._seconds[known]:
                return self._seconds[known] * 2.0 ** (size - known)
        return 0.0
