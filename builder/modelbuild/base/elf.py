"""What an ELF file asks of others, read from its dynamic section. Nothing of it is executed, unlike with ldd."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MACHINES = {62: "amd64", 183: "arm64"}

_PT_LOAD, _PT_DYNAMIC = 1, 2
_NEEDED, _STRTAB = 1, 5
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF


@dataclass(frozen=True, slots=True)
class Elf:
    """``versions`` are the symbol versions wanted of each library needed; ``defines`` those offered."""

    architecture: str
    needed: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    defines: tuple[str, ...] = ()


def read_elf(data: bytes) -> Elf | None:
    """Read a 64-bit little-endian ELF file, the only kind that Debian's amd64 and arm64 have. None for others."""
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    try:
        return _Reader(data).read()
    except (struct.error, IndexError, ValueError):
        return None  # truncated: no file that the loader could use


class _Reader:
    """The tables of one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.segments = list(self._program_headers())
        self.dynamic = list(self._dynamic())
        self.strings = self._offset(self._one(_STRTAB))

    def read(self) -> Elf:
        machine = struct.unpack_from("<H", self.data, 18)[0]
        return Elf(
            architecture=MACHINES.get(machine, f"machine {machine}"),
            needed=tuple(self._string(value) for tag, value in self.dynamic if tag == _NEEDED),
            versions=tuple(self._versions_needed()),
            defines=tuple(self._versions_defined()),
        )

    def _program_headers(self) -> Iterator[tuple[int, int, int, int]]:
        table = struct.unpack_from("<Q", self.data, 32)[0]
        size, count = struct.unpack_from("<HH", self.data, 54)
        for number in range(count):
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", self.data, table + number * size)
            yield kind, offset, address, length

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        for kind, offset, _, length in self.segments:
            if kind == _PT_DYNAMIC:
                for tag, value in struct.iter_unpack("<qQ", self.data[offset : offset + length]):
                    if tag == 0:
                        return
                    yield tag, value

    def _one(self, wanted: int) -> int:
        return next((value for tag, value in self.dynamic if tag == wanted), 0)

    def _offset(self, address: int) -> int:
        """Where in the file the byte lies that the loader maps at ``address``."""
        for kind, offset, start, length in self.segments:
            if kind == _PT_LOAD and start <= address < start + length:
                return address - start + offset
        return address

    def _string(self, index: int) -> str:
        start = self.strings + index
        return self.data[start : self.data.index(b"\0", start)].decode("ascii", "replace")

    def _versions_needed(self) -> Iterator[tuple[str, str]]:
        place = self._offset(self._one(_VERNEED))
        for _ in range(self._one(_VERNEEDNUM)):
            _, count, library, first, following = struct.unpack_from("<HHIII", self.data, place)
            entry = place + first
            for _ in range(count):
                _, flags, _, name, step = struct.unpack_from("<IHHII", self.data, entry)
                if not flags & 2:  # not a weak reference
                    yield self._string(library), self._string(name)
                entry += step
            place += following

    def _versions_defined(self) -> Iterator[str]:
        place = self._offset(self._one(_VERDEF))
        for _ in range(self._one(_VERDEFNUM)):
            _, _, _, _, _, first, following = struct.unpack_from("<HHHHIII", self.data, place)
            yield self._string(struct.unpack_from("<I", self.data, place + first)[0])
            place += following
