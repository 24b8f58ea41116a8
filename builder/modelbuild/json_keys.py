"""The top-level keys of a JSON object, without building the object: a model of gigabytes can be a JSON file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 20
LIMIT = 1 << 26
"""Bytes that are looked at: keys behind them are not found."""
LONGEST_STRING = 1 << 22
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]:]', re.DOTALL)


def top_level_keys(path: Path) -> frozenset[str]:
    """The keys found; a file that is cut off or malformed gives those before the fault."""
    return frozenset(_keys(path))


def _keys(path: Path) -> Iterator[str]:
    depth = 0
    candidate = b""
    for token in _tokens(path):
        if token in {b"{", b"["}:
            depth += 1
        elif token in {b"}", b"]"}:
            depth -= 1
            if depth <= 0:
                return
        elif depth == 1 and token == b":":
            yield _text(candidate)
        elif depth == 1 and token[:1] == b'"':
            candidate = token


def _text(token: bytes) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return ""


def _tokens(path: Path) -> Iterator[bytes]:
    """Strings and punctuation; numbers and words are of no interest."""
    rest = b""
    seen = 0
    with path.open("rb") as file:
        while seen < LIMIT and (piece := file.read(PIECE)):
            seen += len(piece)
            data = rest + piece
            end = 0
            for match in _TOKEN.finditer(data):
                yield match[0]
                end = match.end()
            # A string may go on in the next piece; anything else between tokens is not needed again.
            opened = data.find(b'"', end)
            rest = data[opened:] if opened >= 0 else b""
            if len(rest) > LONGEST_STRING:
                return
