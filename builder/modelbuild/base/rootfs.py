"""A root file system as a value: paths, relative to ``/``, to what lies there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

FILE, LINK, FOLDER = "file", "link", "folder"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, symbolic link or folder. ``package`` is the Debian package it came with."""

    kind: str
    mode: int
    content: bytes = b""
    target: str = ""
    owner: int = 0
    package: str = ""


Root = Mapping[str, Entry]

# What Debian merged into /usr: packages of older suites still name the short paths.
_MERGED = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")


def file(content: bytes | str, mode: int = 0o644) -> Entry:
    """A file that belongs to root."""
    return Entry(FILE, mode, content.encode() if isinstance(content, str) else content)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(LINK, 0o777, target=target)


def folder(mode: int = 0o755, owner: int = 0) -> Entry:
    """A folder."""
    return Entry(FOLDER, mode, owner=owner)


def merged(path: str) -> str:
    """The path under /usr of a file that a package may still place outside: ``lib/x`` is ``usr/lib/x``."""
    clean = posixpath.normpath(path).lstrip("/")
    return f"usr/{clean}" if clean.split("/", 1)[0] in _MERGED else clean


def resolve(root: Root, path: str) -> str:
    """Follow the symbolic links of the last part of ``path``. Empty when they lead nowhere."""
    seen: set[str] = set()
    while path in root and root[path].kind == LINK and path not in seen:
        seen.add(path)
        path = merged(posixpath.join(posixpath.dirname("/" + path), root[path].target))
    return path if path in root and root[path].kind != LINK else ""


def with_parents(root: Root) -> dict[str, Entry]:
    """The same with every folder on the way to an entry, in the order in which an archive lists them."""
    result = dict(root)
    for path in root:
        parent = posixpath.dirname(path)
        while parent and parent not in result:
            result[parent] = folder()
            parent = posixpath.dirname(parent)
    return dict(sorted(result.items()))
