"""Media types: what a body is, and which of several a client would rather have (RFC 9110)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Dict, List, NamedTuple, Optional, Tuple

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
NPY = "application/x-npy"
BYTES = "application/octet-stream"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"

ALIASES = {
    "text/json": JSON,
    "application/jsonl": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
    "application/csv": CSV,
    "text/x-csv": CSV,
    "application/npy": NPY,
}
_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,"\s]*)""")


class MediaType(NamedTuple):
    """``name`` in lower case, by its usual name; parameters with names in lower case."""

    name: str
    params: Dict[str, str]


@lru_cache(maxsize=256)
def parse(value: bytes) -> MediaType:
    """Read a Content-Type header. Nothing in it is "" without parameters."""
    text = value.decode("latin-1")
    name, _, rest = text.partition(";")
    params = {key.lower(): _unquoted(found) for key, found in _PARAMETER.findall(";" + rest)} if rest else {}
    return MediaType(_usual(name), params)


@lru_cache(maxsize=256)
def choose(accept: bytes, offers: Tuple[str, ...]) -> Optional[MediaType]:
    """Pick the offer that an Accept header prefers; the first where it does not care, None where it wants no offer."""
    if not accept.strip():
        return MediaType(offers[0], {})
    ranges = _ranges(accept)
    refused = {name for quality, name, _ in ranges if quality <= 0}
    for quality, name, params in ranges:
        if quality <= 0:
            continue
        for offer in offers:
            if offer not in refused and _matches(name, offer):
                return MediaType(offer, params)
    return None


def _ranges(accept: bytes) -> List[Tuple[float, str, Dict[str, str]]]:
    """The media ranges from the most to the least wanted; the more specific first where equally wanted."""
    ranges = []
    for part in accept.decode("latin-1").split(","):
        if part.strip():
            name, params = parse(part.encode("latin-1"))
            ranges.append((_quality(params), name, params))
    return sorted(ranges, key=lambda item: (-item[0], item[1].count("*")))


def _quality(params: Dict[str, str]) -> float:
    try:
        return min(max(float(params.get("q", "1")), 0.0), 1.0)
    except ValueError:
        return 0.0


def _matches(wanted: str, offer: str) -> bool:
    return wanted in (offer, "*/*", "*") or (wanted.endswith("/*") and offer.startswith(wanted[:-1]))


def _usual(name: str) -> str:
    plain = name.strip().lower()
    if plain.startswith("application/") and plain.endswith("+json"):
        return JSON
    return ALIASES.get(plain, plain)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
