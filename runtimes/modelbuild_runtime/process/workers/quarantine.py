"""Requests that were in flight when a worker died, by fingerprint. One that was is run alone the next time; one that
was run alone, or was the only one, at a second death is not run again.

The supervisor writes, all workers read. Nothing is written down of a body but its fingerprint, which means nothing
outside of this server: Python's hash is keyed anew in each, and workers are forked with the same key.
"""

from __future__ import annotations

import mmap
import struct
from typing import Dict, List, Set, Tuple, Union

_MOST = 256
"""Suspects, and as many convicts, that are remembered; the oldest are forgotten."""
WHOLE = 1 << 14
"""Bytes up to which a body is hashed in full. Of longer ones it is both ends, and every so many bytes between."""
_HEADER = struct.Struct("<III")  # version, suspects, convicts
_ONE = struct.Struct("<qI")  # fingerprint, deaths


def fingerprint(path: str, body: Union[bytes, bytearray]) -> int:
    """What tells a request from others; 0 for one without a body, which can hardly be to blame."""
    size = len(body)
    if size <= WHOLE:
        return hash((path, body if body.__class__ is bytes else bytes(body))) if size else 0
    parts = (body[: WHOLE // 4], body[:: size // (WHOLE // 4)], body[-WHOLE // 4 :])
    return hash((path, size, *map(bytes, parts)))


class Quarantine:
    """``suspects`` are fingerprints with the deaths that they were seen at, ``convicts`` are refused."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEADER.size + 2 * _MOST * _ONE.size)
        self.versions = memoryview(self._memory)[:4].cast("I")  # the first is that of the memory,
        self.version = 0  # and this of the last look
        self.suspects: Dict[int, int] = {}
        self.convicts: Dict[int, None] = {}
        self._cleared: Set[Tuple[int, int]] = set()

    # Workers

    def look(self) -> None:
        """Read what the supervisor has written."""
        version, suspects, convicts = _HEADER.unpack_from(self._memory)
        entries = [_ONE.unpack_from(self._memory, _HEADER.size + at * _ONE.size) for at in range(suspects + convicts)]
        self.suspects = {found: deaths for found, deaths in entries[:suspects] if (found, deaths) not in self._cleared}
        self.convicts = {found: None for found, _ in entries[suspects:]}
        self.version = version

    def clear(self, found: int) -> None:
        """It was run alone and nobody died: it is not the one, as far as this worker is concerned."""
        deaths = self.suspects.pop(found, None)
        if deaths is not None:
            self._cleared.add((found, deaths))

    # The supervisor

    def died(self, in_flight: Set[int], alone: int) -> List[int]:
        """A worker died with these requests, of which ``alone`` was run alone, 0 for none. Returns the new convicts."""
        sole = alone or (next(iter(in_flight)) if len(in_flight) == 1 else 0)
        convicted = [found for found in in_flight if found == sole and found in self.suspects]
        self.convicts.update(dict.fromkeys(convicted))
        for found in in_flight - set(self.convicts):
            self.suspects[found] = self.suspects.pop(found, 0) + 1
        for found in convicted:
            del self.suspects[found]
        self._write()
        return convicted

    def _write(self) -> None:
        self.suspects = dict(list(self.suspects.items())[-_MOST:])
        entries = [*self.suspects.items(), *((found, 0) for found in list(self.convicts)[-_MOST:])]
        for at, entry in enumerate(entries):
            _ONE.pack_into(self._memory, _HEADER.size + at * _ONE.size, *entry)
        self.version += 1
        counts = (len(self.suspects), len(entries) - len(self.suspects))
        _HEADER.pack_into(self._memory, 0, self.version, *counts)
