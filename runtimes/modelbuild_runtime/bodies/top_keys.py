"""The names at the top of a JSON object, seen without reading it whole: they tell which protocol's body it is."""

from __future__ import annotations

import re
from typing import FrozenSet

SEEN = 4096
"""Bytes of a body that are looked at. A name that stands behind so much else is not found."""

_FIRST = re.compile(rb'\s*\{\s*"([^"\\]*)"\s*:')
_MARK = re.compile(rb'"((?:[^"\\]+|\\.)*)(?:"(\s*:)?|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string, also one that is cut off, or a bracket: whatever is there, nothing is looked at twice."""


def first_key(start: bytes) -> bytes:
    """The first name of an object; nothing where there is none."""
    found = _FIRST.match(start)
    return found.group(1) if found else b""


def top_keys(start: bytes) -> FrozenSet[bytes]:
    """Names of the object that a body begins with, those of nested objects left out. Escapes stay as they are."""
    if start.lstrip()[:1] != b"{":
        return frozenset()
    depth, keys = 0, set()
    for mark in _MARK.finditer(start[:SEEN]):
        text = mark.group()
        if text[:1] != b'"':
            depth += 1 if text in (b"{", b"[") else -1
            if not depth:
                break
        elif depth == 1 and mark.group(2):
            keys.add(mark.group(1))
    return frozenset(keys)
