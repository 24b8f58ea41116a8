"""modelbuild.base.libraries: which shared libraries stay."""

import pytest

from builder.base.tiny_elf import tiny_elf
from modelbuild.base.libraries import is_library, sweep_libraries
from modelbuild.base.rootfs import Entry, file, link
from modelbuild.errors import BaseImageError

PLACE = "usr/lib/x86_64-linux-gnu"
LIBC = tiny_elf(soname="libc.so.6", defines=("GLIBC_2.2.5", "GLIBC_2.36", "GLIBC_PRIVATE"))


def root(**programs: bytes) -> dict[str, Entry]:
    return {
        f"{PLACE}/libc.so.6": file(LIBC),
        **{f"usr/bin/{name}": file(content) for name, content in programs.items()},
    }


def test_keeps_what_a_program_needs_through_another_library_and_drops_the_rest() -> None:
    files = root(python=tiny_elf(needed=("libssl.so.3", "libc.so.6"))) | {
        f"{PLACE}/libssl.so.3": link("libssl.so.3.0.9"),
        f"{PLACE}/libssl.so.3.0.9": file(tiny_elf(needed=("libcrypto.so.3",))),
        f"{PLACE}/libcrypto.so.3": file(tiny_elf()),
        f"{PLACE}/libtk.so.8": file(tiny_elf(needed=("libX11.so.6",))),
    }

    kept = set(sweep_libraries(files))

    assert kept == set(files) - {f"{PLACE}/libtk.so.8"}


def test_keeps_what_wheels_expect_although_nothing_here_needs_it() -> None:
    files = root() | {
        f"{PLACE}/libgomp.so.1": link("libgomp.so.1.0.0"),
        f"{PLACE}/libgomp.so.1.0.0": file(tiny_elf()),
        f"{PLACE}/libdb-5.3.so": file(tiny_elf()),
    }

    assert set(sweep_libraries(files)) == set(files) - {f"{PLACE}/libdb-5.3.so"}


def test_follows_the_loader_from_the_path_that_programs_name() -> None:
    files = root() | {
        "usr/lib64/ld-linux-x86-64.so.2": link("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        f"{PLACE}/ld-linux-x86-64.so.2": file(tiny_elf()),
    }

    assert set(sweep_libraries(files)) == set(files)


def test_a_missing_library_is_named() -> None:
    files = root(python=tiny_elf(needed=("libssl.so.1.1",)))

    with pytest.raises(BaseImageError, match=r"/usr/bin/python needs libssl\.so\.1\.1"):
        sweep_libraries(files)


def test_an_interpreter_from_a_newer_system_is_refused_with_both_versions() -> None:
    files = root(python=tiny_elf(needed=("libc.so.6",), versions={"libc.so.6": ("GLIBC_2.38",)}))

    with pytest.raises(BaseImageError, match=r"needs GLIBC_2\.38, and libc\.so\.6 of this base has GLIBC_2\.36"):
        sweep_libraries(files)


def test_only_files_that_the_loader_searches_are_libraries() -> None:
    assert is_library("usr/lib/x86_64-linux-gnu/libz.so.1")
    assert is_library("usr/lib/libpython3.9.so.1.0")
    assert not is_library("usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so")
    assert not is_library("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so")
