"""The smallest 64-bit shared objects that ask for libraries and symbol versions."""

from __future__ import annotations

import struct
from collections.abc import Mapping

NEEDED, STRTAB, SONAME = 1, 5, 14
VERDEF, VERDEFNUM, VERNEED, VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
BASE = 0x400000  # where the segment is mapped: addresses are not offsets


def tiny_elf(
    *,
    needed: tuple[str, ...] = (),
    soname: str = "",
    versions: Mapping[str, tuple[str, ...]] | None = None,
    defines: tuple[str, ...] = (),
    machine: int = 62,
) -> bytes:
    """An ELF file with these entries in its dynamic section, and nothing else."""
    wanted = dict(versions or {})
    names = [*needed, soname, *wanted, *(name for many in wanted.values() for name in many), *defines]
    table, places = b"\0", {}
    for name in names:
        places[name] = len(table)
        table += name.encode() + b"\0"
    needs = b""
    for number, (library, many) in enumerate(wanted.items()):
        following = 0 if number == len(wanted) - 1 else 16 + 16 * len(many)
        needs += struct.pack("<HHIII", 1, len(many), places[library], 16, following)
        for name in many:
            needs += struct.pack("<IHHII", 0, 0, 0, places[name], 16)
    definitions = b"".join(
        struct.pack("<HHHHIII", 1, 0, 0, 1, 0, 20, 28) + struct.pack("<II", places[name], 0) for name in defines
    )
    strings, verneed = 400, 400 + len(table)
    verdef = verneed + len(needs)
    dynamic = verdef + len(definitions)
    tags = [(NEEDED, places[name]) for name in needed] + ([(SONAME, places[soname])] if soname else [])
    tags += [(STRTAB, BASE + strings), (VERNEED, BASE + verneed), (VERNEEDNUM, len(wanted))]
    tags += [(VERDEF, BASE + verdef), (VERDEFNUM, len(defines)), (0, 0)]
    section = b"".join(struct.pack("<qQ", tag, value) for tag, value in tags)
    size = dynamic + len(section)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 4096)
    dyn = struct.pack("<IIQQQQQQ", 2, 6, dynamic, BASE + dynamic, BASE + dynamic, len(section), len(section), 8)
    return (header.ljust(64, b"\0") + load + dyn).ljust(400, b"\0") + table + needs + definitions + section
