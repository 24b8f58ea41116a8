"""Shared libraries of a base: those that its programs need, and those that binary wheels expect of any system."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from modelbuild.base.elf import Elf, read_elf
from modelbuild.base.rootfs import FILE, Entry, Root, resolve
from modelbuild.errors import BaseImageError

# Libraries that binary wheels may expect of any system (the manylinux policies, without X11, OpenGL and GLib),
# besides those that the interpreter's own modules need.
LIBRARIES = (
    "ld-linux-*.so.*",
    "libanl.so.1",
    "libatomic.so.1",
    "libc.so.6",
    "libcrypt.so.1",
    "libdl.so.2",
    "libexpat.so.1",
    "libgcc_s.so.1",
    "libgomp.so.1",
    "libm.so.6",
    "libmvec.so.1",
    "libnsl.so.1",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
    "libz.so.1",
)

_LIBRARY = re.compile(r"usr/lib(64)?/([^/]+-linux-gnu[^/]*/)?[^/]+\.so(\.[^/]*)?")


def is_library(path: str) -> bool:
    """Whether the dynamic loader would look for it."""
    return _LIBRARY.fullmatch(path) is not None


def sweep_libraries(root: Root) -> dict[str, Entry]:
    """Without the shared libraries that nothing in the base needs, directly or through another.

    Raises:
        BaseImageError: a program needs a library that is not there, or one newer than the base's.
    """
    libraries = {path.rpartition("/")[2]: path for path in root if is_library(path)}
    programs = [path for path, entry in root.items() if entry.kind == FILE and path not in set(libraries.values())]
    waiting = [path for path in programs if root[path].content.startswith(b"\x7fELF")]
    waiting += [path for name, path in libraries.items() if any(fnmatchcase(name, item) for item in LIBRARIES)]
    kept: dict[str, Elf] = {}
    while waiting:
        path = resolve(root, waiting.pop())
        elf = read_elf(root[path].content) if path and path not in kept else None
        if elf:
            kept[path] = elf
            waiting += _needed(path, elf, libraries)
    _check_versions(root, kept, libraries)
    return {path: entry for path, entry in root.items() if not is_library(path) or resolve(root, path) in kept}


def _needed(path: str, elf: Elf, libraries: Mapping[str, str]) -> Iterator[str]:
    for name in elf.needed:
        if name not in libraries:
            raise BaseImageError(f"/{path} needs {name}, which is neither in Debian's packages nor beside it.")
        yield libraries[name]


def _check_versions(root: Root, kept: Mapping[str, Elf], libraries: Mapping[str, str]) -> None:
    """The loader refuses a program that wants a version of a symbol which its library does not define."""
    for path, elf in kept.items():
        for name, version in elf.versions:
            provider = kept.get(resolve(root, libraries.get(name, "")))
            if provider and provider.defines and version not in provider.defines:
                newest = max((item for item in provider.defines if _number(item)), key=_number, default="an older one")
                raise BaseImageError(
                    f"/{path} needs {version}, and {name} of this base has {newest}.",
                    hint="Take a newer release: --suite trixie; or an interpreter that was built on an older system.",
                )


def _number(version: str) -> tuple[int, ...]:
    digits = version.rpartition("_")[2].split(".")
    return tuple(int(digit) for digit in digits) if all(digit.isdigit() for digit in digits) else ()
