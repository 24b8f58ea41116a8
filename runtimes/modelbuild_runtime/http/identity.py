"""Request ids: taken from the client where it sent a sane one, made here otherwise."""

from __future__ import annotations

import itertools
import os
from typing import Callable, Iterator, Optional

_PRINTABLE = bytes(range(0x21, 0x7F))
_MAX_LENGTH = 128
_ENDS = [f"{number:02x}" for number in range(256)]


class RequestIds:
    """Unique among all processes: random start, then counted."""

    def __init__(self) -> None:
        start = os.urandom(6).hex()

        def block(number: int) -> Iterator[str]:
            return map(f"{start}{number:04x}".__add__, _ENDS)

        self.new: Callable[[], str] = itertools.chain.from_iterable(map(block, itertools.count())).__next__
        """A new id; made without a step in Python, but for one in 256."""

    def of(self, asked: Optional[bytes]) -> str:
        """The client's id, unless it could forge a line of the log."""
        if asked and len(asked) <= _MAX_LENGTH and not asked.translate(None, _PRINTABLE):
            return asked.decode("ascii")
        return self.new()
