"""Header blocks: read by the library hpack, written without compression, which needs no state at either end."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Dict, FrozenSet, List, Tuple

from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from modelbuild_runtime.grpc.frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    PROTOCOL_ERROR,
    StreamViolation,
    Violation,
)

Fields = List[Tuple[bytes, bytes]]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_UNFIT = re.compile(rb"[\x00\r\n]|^[ \t]|[ \t]$")
_OF_CONNECTIONS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_OURS = frozenset(("content-type", "content-length", "te", *(name.decode() for name in _OF_CONNECTIONS)))
_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_UNWRITABLE = re.compile(r"[^\x20-\x7e]")
_NOT_NAME = re.compile(r"[^a-z0-9_.-]")


class HeaderBlocks:
    """Decodes the blocks of one connection, in the order in which they came."""

    def __init__(self, largest: int) -> None:
        self._decoder = Decoder(max_header_list_size=largest)
        self._table = _Table()
        self._decoder.header_table = self._table

    @property
    def changes(self) -> int:
        """How often the table of the connection has changed: as long as it does not, equal blocks mean equal fields."""
        return self._table.changes

    def read(self, block: bytes) -> Fields:
        """The fields of a block.

        Raises:
            Violation: it cannot be decoded, and so neither can any that comes after it.
        """
        try:
            return list(self._decoder.decode(block, raw=True))
        except OversizedHeaderListError:
            raise Violation(ENHANCE_YOUR_CALM, "the header fields are larger than the server takes") from None
        except (HPACKError, IndexError, ValueError):
            raise Violation(COMPRESSION_ERROR, "the header block cannot be decoded") from None


class _Table(HeaderTable):
    """A dynamic table that counts its changes."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, size: int) -> None:
        self.changes += 1
        HeaderTable.maxsize.fset(self, size)  # type: ignore[attr-defined]


def sorted_out(fields: Fields) -> Tuple[Dict[bytes, bytes], Dict[bytes, bytes]]:
    """Pseudo-header fields, and the others, of a request; fields of one name are joined.

    Raises:
        StreamViolation: the request is malformed (RFC 9113, 8.1.1).
    """
    pseudo: Dict[bytes, bytes] = {}
    headers: Dict[bytes, bytes] = {}
    for name, value in fields:
        if name[:1] == b":":
            if headers or name in pseudo or name not in _PSEUDO or _UNFIT.search(value):
                raise StreamViolation(PROTOCOL_ERROR)
            pseudo[name] = value
            continue
        _check(name, value)
        headers[name] = headers[name] + b", " + value if name in headers else value
    if not (pseudo.get(b":path") and b":method" in pseudo and b":scheme" in pseudo):
        raise StreamViolation(PROTOCOL_ERROR)
    return pseudo, headers


def check_trailers(fields: Fields) -> None:
    """Trailers of a request are not used; malformed ones end the stream all the same.

    Raises:
        StreamViolation: one is malformed.
    """
    for name, value in fields:
        _check(name, value)


def _check(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name) or name in _OF_CONNECTIONS or _UNFIT.search(value):
        raise StreamViolation(PROTOCOL_ERROR)
    if name == b"te" and value.lower() != b"trailers":
        raise StreamViolation(PROTOCOL_ERROR)


def literal(name: bytes, value: bytes) -> bytes:
    """One field, to be indexed by nobody."""
    return b"\x00" + _string(name) + _string(value)


@lru_cache(maxsize=16)  # most answers say the same again
def metadata(headers: Tuple[Tuple[str, str], ...], left_out: FrozenSet[str]) -> bytes:
    """Fields that a protocol has put into its response, without what is the transport's business."""
    block = b""
    for name, value in headers:
        lower = name.lower()
        if lower not in _OURS and lower not in left_out:
            block += literal(_NOT_NAME.sub("-", lower).encode(), _UNWRITABLE.sub(" ", value).strip().encode())
    return block


def status(code: int) -> bytes:
    """The pseudo-header field of a response."""
    return literal(b":status", b"%d" % code)


def _string(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    prefix = bytearray(b"\x7f")
    size -= 127
    while size >= 128:
        prefix.append(size & 127 | 128)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + text
