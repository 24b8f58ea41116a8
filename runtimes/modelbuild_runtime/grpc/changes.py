"""An answer that goes on for as long as the client listens: a message each time that something has changed."""

from __future__ import annotations

from typing import Callable, Iterator, Optional


class Changes:
    """``state`` is the message of the moment. The transport looks about once a second; to anything else that takes
    parts, this is the one message of now.
    """

    __slots__ = ("_last", "_state")

    def __init__(self, state: Callable[[], bytes]) -> None:
        self._state = state
        self._last: Optional[bytes] = None

    def new(self) -> Optional[bytes]:
        """The message, if it is another than the last one."""
        state = self._state()
        if state == self._last:
            return None
        self._last = state
        return state

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        state = self.new()
        if state is None:
            raise StopIteration
        return state
