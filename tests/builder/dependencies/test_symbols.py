from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelbuild.dependencies.symbols import drop_symbols

# Wheels of the server's own packages that come with symbols, and import without the rest of their package.
LIBRARY = Path(importlib.util.find_spec("csimdjson").origin)
ORIGINAL = LIBRARY.read_bytes()
SECTIONS_AT, COUNTS = 40, 58


@pytest.fixture
def library(tmp_path):
    return Path(shutil.copyfile(LIBRARY, tmp_path / LIBRARY.name))


def sections_of(data):
    """Rows of the table of sections, the section's name first."""
    at, (size, count, names) = struct.unpack_from("<Q", data, SECTIONS_AT)[0], struct.unpack_from("<3H", data, COUNTS)
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, at + size * index) for index in range(count)]
    strings = data[rows[names][4] :]
    return [(strings[row[0] : strings.index(b"\0", row[0])].decode(), *row[1:]) for row in rows]


def mapped(data):
    """What a loader maps, and the fields of the header that it reads."""
    at, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    segments = [struct.unpack_from("<IIQQQQQQ", data, at + 56 * index) for index in range(count)]
    end = max(row[2] + row[5] for row in segments)
    return data[:SECTIONS_AT], data[48:COUNTS], data[64:end]


def test_symbols_and_debug_sections_go_and_what_is_mapped_stays_byte_for_byte(library):
    assert drop_symbols(library)
    data = library.read_bytes()
    assert mapped(data) == mapped(ORIGINAL)
    assert len(data) < len(ORIGINAL) / 4
    before, after = ({row[0] for row in sections_of(each)} for each in (ORIGINAL, data))
    gone = {name for name in before if name.startswith(".debug") or name in {".symtab", ".strtab"}}
    assert before - after == gone
    assert gone >= {".symtab", ".strtab"}


def test_sections_that_stay_hold_what_they_held(library):
    drop_symbols(library)
    data, old = library.read_bytes(), {row[0]: row for row in sections_of(ORIGINAL)}
    for name, kind, *_, offset, size, link, _info, _alignment, _entry in sections_of(data):
        assert kind == old[name][1]
        if kind not in {0, 8}:
            assert data[offset : offset + size] == ORIGINAL[old[name][4] : old[name][4] + old[name][5]]
        assert sections_of(data)[link][0] == sections_of(ORIGINAL)[old[name][6]][0]


def test_the_library_is_imported_as_before(library):
    drop_symbols(library)
    program = "import csimdjson; print(csimdjson.__file__, csimdjson.Parser().parse(b'[1,2]').as_list())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(library.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{library} [1, 2]\n"


@pytest.mark.skipif(not shutil.which("readelf"), reason="needs binutils")
def test_readelf_finds_nothing_wrong_and_the_same_in_what_is_mapped(library):
    def read():
        done = subprocess.run(
            ["readelf", "-W", "-l", "-d", "-r", "-V", "--dyn-syms", library], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout

    before = read()
    assert drop_symbols(library)
    assert read() == before


@pytest.mark.skipif(not shutil.which("strip"), reason="needs binutils")
def test_it_is_as_short_as_binutils_makes_it(library, tmp_path):
    other = tmp_path / "stripped.so"
    subprocess.run(["strip", library, "-o", other], check=True)
    drop_symbols(library)
    assert library.stat().st_size < other.stat().st_size + 1024


def test_a_second_time_finds_nothing_to_drop(library):
    drop_symbols(library)
    once = library.read_bytes()
    assert not drop_symbols(library)
    assert library.read_bytes() == once


def test_a_file_that_may_not_be_written_is_rewritten_all_the_same(library):
    library.chmod(0o444)
    assert drop_symbols(library)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:40], id="half a header"),
        pytest.param(lambda data: b"\x7fELF\x01" + data[5:], id="32 bits"),
        pytest.param(lambda data: b"\x7fELF\x02\x02" + data[6:], id="big endian"),
        pytest.param(lambda data: data[:16] + b"\1\0" + data[18:], id="an object file"),
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data + b"PK\5\6", id="something behind it"),
        pytest.param(lambda data: data[:SECTIONS_AT] + b"\xff" * 8 + data[48:], id="a table nowhere"),
        pytest.param(lambda data: data[:SECTIONS_AT] + bytes(8) + data[48:60] + bytes(4) + data[64:], id="no sections"),
        pytest.param(lambda data: data[:62] + b"\xff\xff" + data[64:], id="names nowhere"),
    ],
)
def test_what_is_not_as_linkers_write_it_is_left_alone(library, spoil):
    library.write_bytes(spoil(ORIGINAL))
    before = library.read_bytes()
    assert not drop_symbols(library)
    assert library.read_bytes() == before


def _with_row(name, **changes):
    """The library with fields of one section's row changed."""
    index = next(number for number, row in enumerate(sections_of(ORIGINAL)) if row[0] == name)
    places = {"kind": (4, "<I"), "flags": (8, "<Q"), "offset": (24, "<Q"), "size": (32, "<Q"), "link": (40, "<I")}
    data, at = bytearray(ORIGINAL), struct.unpack_from("<Q", ORIGINAL, SECTIONS_AT)[0] + 64 * index
    for field, value in changes.items():
        struct.pack_into(places[field][1], data, at + places[field][0], value)
    return bytes(data)


def _number(name):
    return next(number for number, row in enumerate(sections_of(ORIGINAL)) if row[0] == name)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_with_row(".symtab", flags=2), id="the symbols are mapped"),
        pytest.param(_with_row(".strtab", offset=64), id="the symbols' names lie among what is mapped"),
        pytest.param(_with_row(".comment", link=_number(".symtab")), id="what stays belongs to what goes"),
        pytest.param(_with_row(".comment", size=1 << 62), id="longer than the file"),
    ],
)
def test_tables_that_contradict_each_other_are_left_alone(library, data):
    library.write_bytes(data)
    assert not drop_symbols(library)
    assert library.read_bytes() == data


_HEADS = st.integers(16, 63)
_ROWS = st.integers(struct.unpack_from("<Q", ORIGINAL, SECTIONS_AT)[0], len(ORIGINAL) - 1)
_SEGMENTS = st.integers(64, 64 + 56 * 8)


@settings(deadline=None, max_examples=200)
@given(changes=st.lists(st.tuples(st.one_of(_HEADS, _ROWS, _SEGMENTS), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_bytes_end_it_and_none_that_is_mapped_changes(tmp_path_factory, changes):
    data = bytearray(ORIGINAL)
    for at, value in changes:
        data[at] = value
    path = tmp_path_factory.getbasetemp() / "hostile.so"
    path.write_bytes(data)
    if drop_symbols(path):
        assert mapped(path.read_bytes()) == mapped(bytes(data))
    else:
        assert path.read_bytes() == data
