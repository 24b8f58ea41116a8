"""The ingress limiter: what any request may cost at most, whatever its protocol. Checked before a body is decoded."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple, Union

from modelbuild_runtime.errors import InvalidInput, TooLarge, UnsupportedCoding

Body = Union[bytes, bytearray]

SMALL = 1 << 16
"""Bodies up to this size cannot hold enough values to matter."""

_MOST_CODINGS = 2
_BINARY = (b"application/octet", b"application/x-npy")
_JSON = re.compile(rb"(\xef\xbb\xbf)?[ \t\r\n]*[\[{]")
_LONG = 400
"""Digits of a number that no kind of number has."""
_LONG_NUMBER = re.compile(rb"[\[,:]\s*-?[0-9]{%d}" % (_LONG + 1))
_NAME = re.compile(rb'"[ \t\r\n]*:')
_MOST_NAMES, _NAMES_EACH = 500_000, 1000
"""In a body, and in each object of it where there are many."""
CODINGS = "gzip, deflate"
"""What may be written in Content-Encoding, as RFC 7694 tells it to who wrote something else."""
_WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


class Limits(NamedTuple):
    """Bytes of a body as sent and as inflated, and values in a text body."""

    body: int = 64 << 20
    elements: int = 4_000_000


def admit(body: Body, content_type: bytes, limits: Limits) -> None:
    """Refuse a body that would be far larger in memory than on the wire.

    A value of JSON or CSV takes two bytes of text and up to 60 of memory. Counting separators is exact enough, and
    ten times faster than decoding. Bytes of any kind are none, unless they begin as JSON does: some protocols read that
    whatever a body says it is.

    Raises:
        TooLarge: more values than allowed.
    """
    if len(body) <= SMALL or len(body) // 2 <= limits.elements:
        return
    if content_type.startswith(_BINARY) and not is_json(body):
        return
    lines = max(body.count(b"\n"), body.count(b"\r"))  # which CSV may end with either
    objects = body.count(b"{")
    elements = body.count(b",") + body.count(b"[") + objects + lines
    if elements > limits.elements:
        raise TooLarge(f"the body holds more than {limits.elements} values; send fewer rows, or binary tensors")
    _admit_names(body, objects)
    if len(body) > elements * _LONG:
        _admit_digits(body)


def is_json(body: Body) -> bool:
    """Whether a body begins as an object or a list does."""
    return _JSON.match(body) is not None


def _admit_names(body: Body, objects: int) -> None:
    """A million names in one object take a parser a second, which it does not share with the event loop. Names that
    come again in each of many objects do not.
    """
    most = max(_MOST_NAMES, objects * _NAMES_EACH)
    if body.count(b":") > most and sum(1 for _ in _NAME.finditer(body)) > most:
        raise TooLarge(f"the objects of the body have more than {most} names; send rows, or binary tensors")


def _admit_digits(body: Body) -> None:
    """Numbers of thousands of digits take a parser a second too: their cost grows with the square of their length."""
    digits = len(body) - len(body.translate(None, b"0123456789"))
    if digits > len(body) // 2 and _LONG_NUMBER.search(body):
        raise InvalidInput(f"the body holds a number of more than {_LONG} digits")


def inflate(body: Body, encoding: bytes, limits: Limits) -> bytes:
    """Decompress a body, one coding after the other, never making more than the limit in all.

    Raises:
        UnsupportedCoding: a coding other than gzip, deflate and identity, or more than two.
        InvalidInput: it is not what its coding says.
        TooLarge: it would be larger than a body may be.
    """
    data, left = bytes(body), limits.body
    codings = [part.strip().lower() for part in encoding.split(b",")]
    codings = [coding for coding in codings if coding not in {b"identity", b""}]
    if len(codings) > _MOST_CODINGS:
        raise UnsupportedCoding(f"more than {_MOST_CODINGS} content-encodings over each other are not supported")
    for coding in reversed(codings):
        if coding not in _WINDOW_BITS:
            name = coding.decode("ascii", "replace")
            raise UnsupportedCoding(f"content-encoding {name!r} is not supported; send gzip, deflate or identity")
        data = _inflate(data, _WINDOW_BITS[coding], left)
        left -= len(data)
    return data


def beginning(body: Body, encoding: bytes, size: int) -> bytes:
    """The first bytes of a body, inflated: enough to see what it is. Nothing where it cannot be inflated."""
    coding = encoding.strip().lower()
    if coding in (b"", b"identity"):
        return bytes(body[:size])
    try:
        return zlib.decompressobj(_WINDOW_BITS[coding]).decompress(body[: max(size, SMALL)], size)
    except (KeyError, zlib.error):
        return b""


def _inflate(data: bytes, window_bits: int, limit: int) -> bytes:
    decompressor = zlib.decompressobj(window_bits)
    try:
        result = decompressor.decompress(data, limit + 1)
    except zlib.error:
        raise InvalidInput("the body is not compressed as its content-encoding says") from None
    if len(result) > limit:
        raise TooLarge("the decompressed body is larger than the server takes")
    if not decompressor.eof:
        raise InvalidInput("the compressed body ends early")
    if decompressor.unused_data:
        raise InvalidInput("there is data after the compressed body")
    return result
