"""What long work says of itself while it runs."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """The terminal implements it; whatever takes long is given one."""

    def step(self, name: str, detail: str = "") -> None:
        """A new step began; the one before it is done."""

    def bytes(self, done: int, total: int) -> None:
        """How much of the current step is done."""

    def log(self, line: str) -> None:
        """A line of somebody else's log: shown only when asked for."""


class Silence:
    """Progress that nobody looks at."""

    def step(self, name: str, detail: str = "") -> None:
        """Nothing."""

    def bytes(self, done: int, total: int) -> None:
        """Nothing."""

    def log(self, line: str) -> None:
        """Nothing."""
