"""Request ids: taken from the client where it sent a sane one, made here otherwise."""

from __future__ import annotations

import itertools
import os
from typing import Callable, Optional

_PRINTABLE = bytes(range(0x21, 0x7F))
_MAX_LENGTH = 128


class RequestIds:
    """Unique among all processes: random start, then counted."""

    def __init__(self) -> None:
        start = os.urandom(6).hex()
        self.new: Callable[[], str] = map(f"{start}%06x".__mod__, itertools.count(1)).__next__
        """A new id; made without a step in Python."""

    def of(self, asked: Optional[bytes]) -> str:
        """The client's id, unless it could forge a line of the log."""
        if asked and len(asked) <= _MAX_LENGTH and not asked.translate(None, _PRINTABLE):
            return asked.decode("ascii")
        return self.new()
