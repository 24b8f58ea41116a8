"""How much memory one connection takes: many clients could otherwise fill it with messages that are half sent, and with
answers that they do not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelbuild_runtime.errors import Overloaded, ServerError, TooLarge

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application

_LARGE = 1 << 14
"""Bytes of one connection from which they count for what all may take; less is part of what a connection costs."""


class Holding:
    """The bytes of one connection."""

    __slots__ = ("_app", "_bytes", "_counted")

    def __init__(self, app: Application) -> None:
        self._app = app
        self._bytes = 0
        self._counted = 0

    def add(self, size: int) -> bool:
        """So many stay in memory. False where they are more than there is room for."""
        self._bytes += size
        if self._bytes <= _LARGE:
            return True
        self._count()
        return self._app.held <= self._app.max_held

    def release(self, size: int) -> None:
        """So many are not needed any more."""
        self._bytes -= size
        if self._counted:
            self._count()

    @property
    def alone(self) -> bool:
        """No other connection holds anything: this one may have all of the room, and answers that are larger."""
        return self._counted >= self._app.held

    def full(self) -> ServerError:
        """Why there is no room."""
        if self._counted > self._app.max_held:
            return TooLarge(f"the memory of this server is for messages of {self._app.max_held} bytes")
        return Overloaded("other large requests are being read; come back later", retry_after=1)

    def _count(self) -> None:
        counted = self._bytes if self._bytes > _LARGE else 0
        self._app.held += counted - self._counted
        self._counted = counted
