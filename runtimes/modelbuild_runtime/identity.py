"""Request ids: taken from the client where it sent a sane one, made here otherwise."""

from __future__ import annotations

import itertools
import os
from typing import Optional

_PRINTABLE = bytes(range(0x21, 0x7F))
_MAX_LENGTH = 128


class RequestIds:
    """Unique among all processes: random start, then counted."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a process that was forked."""
        self._prefix = os.urandom(6).hex()
        self._next = itertools.count(1).__next__

    def of(self, asked: Optional[bytes]) -> str:
        """The client's id, unless it could forge a line of the log."""
        if asked and len(asked) <= _MAX_LENGTH and not asked.translate(None, _PRINTABLE):
            return asked.decode("ascii")
        return f"{self._prefix}{self._next():06x}"
