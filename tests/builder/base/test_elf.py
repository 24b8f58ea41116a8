"""modelbuild.base.elf: what a file asks of the loader."""

import sys
from pathlib import Path

import pytest

from builder.base.tiny_elf import tiny_elf
from modelbuild.base.elf import read_elf


def test_reads_what_is_asked_and_offered() -> None:
    data = tiny_elf(
        needed=("libssl.so.3", "libc.so.6"),
        soname="libfoo.so.1",
        versions={"libssl.so.3": ("OPENSSL_3.0.0",), "libc.so.6": ("GLIBC_2.34", "GLIBC_2.2.5")},
        defines=("FOO_1.0", "FOO_1.1"),
    )

    elf = read_elf(data)

    assert elf is not None
    assert elf.architecture == "amd64"
    assert elf.needed == ("libssl.so.3", "libc.so.6")
    assert elf.versions == (
        ("libssl.so.3", "OPENSSL_3.0.0"),
        ("libc.so.6", "GLIBC_2.34"),
        ("libc.so.6", "GLIBC_2.2.5"),
    )
    assert elf.defines == ("FOO_1.0", "FOO_1.1")


def test_names_the_architecture() -> None:
    assert read_elf(tiny_elf(machine=183)).architecture == "arm64"
    assert read_elf(tiny_elf(machine=243)).architecture == "machine 243"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(64), b"\x7fELF\x02\x02" + bytes(64)],
    ids=["empty", "header only", "script", "32 bit", "big endian"],
)
def test_other_files_are_none(data: bytes) -> None:
    assert read_elf(data) is None


def test_truncated_files_raise_nothing() -> None:
    whole = tiny_elf(needed=("libc.so.6",), versions={"libc.so.6": ("GLIBC_2.34",)}, defines=("X",))
    for length in range(len(whole)):
        read_elf(whole[:length])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the ELF file of this very Python")
def test_reads_a_real_program() -> None:
    elf = read_elf(Path(sys.executable).resolve().read_bytes())

    assert elf is not None
    assert "libc.so.6" in elf.needed
    assert any(library == "libc.so.6" and version.startswith("GLIBC_2.") for library, version in elf.versions)
