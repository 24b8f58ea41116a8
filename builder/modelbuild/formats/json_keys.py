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
# The last alternative is a string that is cut off: matched once, it is not looked at from each quote in it again.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\]:]', re.DOTALL)


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
            rest = b""
            for match in _TOKEN.finditer(data):
                token = match[0]
                if token[:1] == b'"' and not _is_whole(token):
                    rest = token  # It may go on in the next piece.
                    break
                yield token
            if len(rest) > LONGEST_STRING:
                return


def _is_whole(token: bytes) -> bool:
    """Whether a string ends with a quote that is no escaped one."""
    if len(token) < 2 or token[-1:] != b'"':
        return False
    backslashes = len(token) - 1 - len(token[:-1].rstrip(b"\\"))
    return backslashes % 2 == 0
