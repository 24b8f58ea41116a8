"""Leaves out of shared libraries what only linkers and debuggers read: symbol tables and debug sections. No loader maps
them, and they are nine tenths of some wheels' libraries.

Where all of that lies behind what is mapped, as linkers write it, the end of the file is written anew without it; what
is mapped keeps its place and every byte. A file that is not exactly so is left as it is.

Source: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

_LITTLE_64 = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MOST_SECTIONS = 0xFF00  # above are escapes to counts that stand elsewhere
_EXECUTABLE, _SHARED = 2, 3
_NULL, _SYMTAB, _STRTAB, _RELA, _NOBITS, _REL, _GROUP, _SYMTAB_SHNDX = 0, 2, 3, 4, 8, 9, 17, 18
_MAPPED, _INFO_IS_SECTION = 0x2, 0x40
_SPARE_KINDS = frozenset({_SYMTAB, _STRTAB, _RELA, _REL, _GROUP, _SYMTAB_SHNDX})
_SPARE_NAMES = (b".debug", b".zdebug")
_MOST_KEPT = 16 << 20
_LONGEST = 1 << 40
_PAGE = 4096


class _UnusualError(Exception):
    """The file is not as linkers write them."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int

    @property
    def mapped(self) -> bool:
        return bool(self.flags & _MAPPED)

    @property
    def end(self) -> int:
        """Where its bytes in the file end."""
        return self.offset + (0 if self.kind in {_NULL, _NOBITS} else self.size)


def drop_symbols(path: Path) -> bool:
    """Rewrite the file in place. Returns whether it has changed: not if it is no 64-bit little-endian ELF file, or has
    nothing to drop, or cannot be rewritten safely.
    """
    with path.open("rb") as file:
        try:
            shorter = _shorter(file, path.stat().st_size)
        except (_UnusualError, struct.error):
            return False
    if shorter is None:
        return False
    head, place, tail = shorter
    path.chmod(path.stat().st_mode | 0o200)
    with path.open("r+b") as file:
        file.write(head)
        file.seek(place)
        file.write(tail)
        file.truncate()
    return True


def _shorter(file: BinaryIO, length: int) -> tuple[bytes, int, bytes] | None:
    """The file's new header, and its new end from some place on; None where there is nothing to drop."""
    head = file.read(_HEADER.size)
    if not head.startswith(_LITTLE_64):
        return None
    fields = list(_HEADER.unpack(head))
    kind, segments_at, sections_at = fields[1], fields[5], fields[6]
    segment_size, segments, section_size, count, names_index = fields[9:]
    if kind not in {_EXECUTABLE, _SHARED} or (segment_size, section_size) != (_SEGMENT.size, _SECTION.size):
        raise _UnusualError
    if not names_index < count < _MOST_SECTIONS:
        raise _UnusualError
    sections = [_Section(*row) for row in _SECTION.iter_unpack(_read(file, sections_at, count * _SECTION.size))]
    table = _read(file, segments_at, segments * _SEGMENT.size)
    place = max(
        _HEADER.size,
        segments_at + len(table),
        *(offset + size for _, _, offset, _, _, size, _, _ in _SEGMENT.iter_unpack(table)),
        *(section.end for section in sections if section.mapped),
    )
    _require_end(sections, sections_at, place, length)
    names = _read(file, sections[names_index].offset, sections[names_index].size)
    kept = [index for index, one in enumerate(sections) if index == names_index or not _is_spare(one, names)]
    if len(kept) == count:
        return None
    moved = _moved(sections, kept)
    tail, fields[6] = _end(file, sections, moved, place)
    fields[12:] = len(kept), moved[names_index]
    return (_HEADER.pack(*fields), place, tail) if place + len(tail) < length else None


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > _MOST_KEPT or offset > _LONGEST:
        raise _UnusualError
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise _UnusualError
    return data


def _is_spare(section: _Section, names: bytes) -> bool:
    spare = section.kind in _SPARE_KINDS or names.startswith(_SPARE_NAMES, section.name)
    return spare and not section.mapped


def _require_end(sections: Sequence[_Section], sections_at: int, place: int, length: int) -> None:
    """From ``place`` on the file holds the sections that are not mapped, their table, and nothing else."""
    loose = [one for one in sections if not one.mapped and one.end > one.offset]
    parts = [(one.offset, one.end, one.alignment) for one in loose]
    parts.append((sections_at, sections_at + len(sections) * _SECTION.size, 8))
    at = place
    for start, end, alignment in sorted(parts):
        if not at <= start < at + max(16, alignment) or alignment > _PAGE:
            raise _UnusualError
        at = end
    if at != length:
        raise _UnusualError


def _moved(sections: Sequence[_Section], kept: Iterable[int]) -> Mapping[int, int]:
    """From the number of each section that is kept to its new one. Symbols of the mapped tables name sections by
    number: those of mapped ones may not change.
    """
    moved = {old: new for new, old in enumerate(kept)}
    for old, new in moved.items():
        one = sections[old]
        if one.mapped and old != new:
            raise _UnusualError
        if one.link not in moved or (one.flags & _INFO_IS_SECTION and one.info not in moved):
            raise _UnusualError
    return moved


def _end(file: BinaryIO, sections: Sequence[_Section], moved: Mapping[int, int], place: int) -> tuple[bytes, int]:
    """The bytes from ``place`` on: what stays of the sections that are not mapped, then the table; and where in
    the file the table begins.
    """
    tail, rows = bytearray(), []
    for old in moved:
        one = sections[old]
        one = one._replace(link=moved[one.link])
        if one.flags & _INFO_IS_SECTION:
            one = one._replace(info=moved[one.info])
        if not one.mapped and one.kind != _NULL:
            data = _read(file, one.offset, one.end - one.offset)
            tail += bytes(-(place + len(tail)) % min(max(1, one.alignment), _PAGE))
            one = one._replace(offset=place + len(tail))
            tail += data
            if len(tail) > _MOST_KEPT:
                raise _UnusualError
        rows.append(_SECTION.pack(*one))
    tail += bytes(-(place + len(tail)) % 8)
    return bytes(tail) + b"".join(rows), place + len(tail)
