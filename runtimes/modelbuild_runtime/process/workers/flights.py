"""Which requests a worker has taken and not answered: a table in memory that outlives the worker, for whoever has to
say what died with it.
"""

from __future__ import annotations

import mmap
import struct
from functools import partial
from typing import Callable, List, NamedTuple

PLACES = 1024
"""Requests of one worker that are written down; more are not, and only they are not named."""

_ENTRY = struct.Struct("<BBHIq128s")  # taken, answerable, length of the id, connection, fingerprint, id
_ALONE = struct.Struct("<q")
_LONGEST = 128


class Flight(NamedTuple):
    """One request. ``connection`` is its number, 0 where none is known; ``answerable`` where nothing that was written
    on it can still be on its way.
    """

    id: str
    fingerprint: int
    connection: int
    answerable: bool


class Flights:
    """The table of one worker. Only it writes, and only whoever buries it reads. A 0 in ``memory`` at one of the
    ``places`` clears that.
    """

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, _ALONE.size + PLACES * _ENTRY.size)
        self.places = [_ALONE.size + at * _ENTRY.size for at in range(PLACES)]
        self.write: Callable[[int, int, bool, int, int, int, bytes], None] = partial(_ENTRY.pack_into, self.memory)
        """At a place: 1 for a request that is taken, and the rest of its entry. Made without a step in Python."""

    @property
    def alone(self) -> int:
        """The fingerprint of a suspect that is being run, 0 while there is none."""
        found: int = _ALONE.unpack_from(self.memory)[0]
        return found

    @alone.setter
    def alone(self, found: int) -> None:
        _ALONE.pack_into(self.memory, 0, found)

    def read(self) -> List[Flight]:
        """All that are taken."""
        found = []
        for taken, answerable, length, connection, fingerprint, name in _ENTRY.iter_unpack(self.memory[_ALONE.size :]):
            if taken == 1:
                identity = name[: min(length, _LONGEST)].decode("ascii", "replace")
                found.append(Flight(identity, fingerprint, connection, bool(answerable)))
        return found

    def wipe(self) -> None:
        """Another worker takes this place."""
        self.memory[:] = bytes(len(self.memory))
