"""BuildKit through the engine's plain HTTP API: ``POST /build?version=2`` answers with encoded trace events.

No CLI, no buildx, no gRPC session. An event's ``aux`` is a base64 protobuf ``moby.buildkit.v1.StatusResponse``
(api/services/control/control.proto of BuildKit): vertexes = 1 {digest = 1, name = 3, cached = 4, completed = 6,
error = 7}, logs = 3 {vertex = 1, msg = 4}.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from modelbuild.engines.transcript import Transcript

NAME = "BuildKit"
VERSION = "2"
PARAMETERS: Mapping[str, str] = {}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def feed(transcript: Transcript, event: Mapping[str, Any]) -> None:
    """Take in one event of the stream."""
    if event.get("id") == "moby.buildkit.trace":
        _trace(transcript, event["aux"])
    elif event.get("id") == "moby.image.id":
        transcript.image = event["aux"]["ID"]
    elif "error" in event:
        transcript.error = str(event["error"]).strip()


def _trace(transcript: Transcript, aux: str) -> None:
    try:
        for number, value in fields(base64.b64decode(aux, validate=True)):
            if number == 1 and isinstance(value, bytes):
                _vertex(transcript, dict(fields(value)))
            elif number == 3 and isinstance(value, bytes):
                _log(transcript, dict(fields(value)))
    except (binascii.Error, ValueError, IndexError):
        # Progress is a courtesy: an event that a newer BuildKit words differently must not fail a build.
        transcript.log(f"(an event of {len(aux)} bytes that could not be read)")


def _vertex(transcript: Transcript, vertex: Mapping[int, bytes | int]) -> None:
    digest, name = _text(vertex, 1), _text(vertex, 3)
    if digest not in transcript.names:
        transcript.names[digest] = name
        if not name.startswith("[internal]"):
            transcript.log(name)
    if vertex.get(4):
        transcript.hit(name)
    if _text(vertex, 7) and not transcript.failed_step:
        transcript.failed_step = name


def _log(transcript: Transcript, log: Mapping[int, bytes | int]) -> None:
    for line in _text(log, 4).splitlines():
        transcript.log(f"  {line}")


def _text(message: Mapping[int, bytes | int], number: int) -> str:
    value = message.get(number, b"")
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message, in order: number and value. A repeated one comes repeatedly.

    Raises:
        ValueError: it is no protobuf message.
        IndexError: it ends too early.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in {_FIXED64, _FIXED32}:
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if position + length > len(message):
            raise IndexError("truncated message")
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
