"""What workers leave for each other and for their supervisor, in memory shared since before they were forked: a note
that all can read, and what each is doing.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from time import monotonic
from typing import Iterator

from modelbuild_runtime.process.workers.flights import Flights
from modelbuild_runtime.process.workers.quarantine import Quarantine

SLOT = 1 << 16
_HEADER = struct.Struct("<IId")


class Board:
    """One slot a worker. A note that is read while it is being written fails its checksum: then the one before it
    counts. ``flights`` are of each slot, the ``quarantine`` is everybody's.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.flights = [Flights() for _ in range(slots)]
        self.quarantine = Quarantine()
        self._memory = mmap.mmap(-1, slots * SLOT)
        self._seen = [b""] * slots  # by this process

    def write(self, slot: int, note: bytes) -> None:
        """Replace the note of one slot; one that is too long is not written."""
        if len(note) > SLOT - _HEADER.size:
            return
        start = slot * SLOT
        self._memory[start : start + _HEADER.size + len(note)] = (
            _HEADER.pack(len(note), zlib.crc32(note), monotonic()) + note
        )

    def read(self, slot: int) -> bytes:
        """The note of one slot, empty where none was seen yet."""
        start = slot * SLOT
        length, checksum, _ = _HEADER.unpack(self._memory[start : start + _HEADER.size])
        note = self._memory[start + _HEADER.size : start + _HEADER.size + min(length, SLOT - _HEADER.size)]
        if zlib.crc32(note) == checksum:
            self._seen[slot] = note
        return self._seen[slot]

    def written(self, slot: int) -> float:
        """When the note of one slot was, by the monotonic clock; 0 where there is none."""
        return float(_HEADER.unpack(self._memory[slot * SLOT : slot * SLOT + _HEADER.size])[2])

    def others(self, slot: int) -> Iterator[bytes]:
        """The notes of all other slots."""
        yield from (note for other in range(self.slots) if other != slot and (note := self.read(other)))
