"""Time that passes only when a test says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Loop:
    """An event loop, and a clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: list[Any] = []
        self._later: list[Any] = []

    def call_soon(self, function: Any, *arguments: Any) -> None:
        self._soon.append((function, arguments))

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, function: Any, *arguments: Any) -> Any:
        timer = SimpleNamespace(due=self.now + delay, function=function, arguments=arguments)
        timer.cancel = lambda: self._later.remove(timer)
        self._later.append(timer)
        return timer

    def turn(self) -> None:
        soon, self._soon = self._soon, []
        for function, arguments in soon:
            function(*arguments)

    def advance(self, seconds: float) -> None:
        """Time passes, timer by timer."""
        end = self.now + seconds
        while due := [timer for timer in self._later if timer.due <= end]:
            first = min(due, key=lambda timer: timer.due)
            self._later.remove(first)
            self.now = max(self.now, first.due)
            first.function(*first.arguments)
        self.now = max(self.now, end)  # what ran may have taken its time
