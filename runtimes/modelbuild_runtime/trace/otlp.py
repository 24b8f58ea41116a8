"""Spans as OTLP's protobuf. The few messages are written by hand: no package is needed for it, and it is many times
faster than making objects first. What many spans have in common is written once; those of stages, which differ in
numbers of fixed width only, are rows of a table.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto and
https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import struct
from functools import lru_cache
from random import Random
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple, Union

import numpy as np

from modelbuild_runtime.trace.span import STAGES, Finished, Kind

SCOPE = "modelbuild_runtime"
_FAILED = 500
_GRPC_FAILED = {
    2: "UNKNOWN",
    4: "DEADLINE_EXCEEDED",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
}
"""Statuses that are a server's errors: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""
_SERVER, _INTERNAL = 2, 1  # kinds of spans
_ERROR = 2  # a span's status
_IDS = struct.Struct("<2s16s2s8s")
_TIMES = struct.Struct("<BQBQ")
_START, _END = 7 << 3 | 1, 8 << 3 | 1  # tags of fixed64 fields
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"  # tags and sizes
_KINDS = 256
_NUMBERS = 4096
"""What is kept of the last kinds of requests, and of the last numbers that were attributes."""

Value = Union[str, int]


def export(finished: Sequence[Finished], resource: bytes, random: Random, past: int) -> bytes:
    """An ExportTraceServiceRequest with all spans of these requests. ``past`` is how many nanoseconds the loop's clock
    is behind those since 1970.
    """
    spans = [_message(2, _server(one, past)) for one in finished]
    scope = _message(1, _text(1, SCOPE))
    return _message(1, resource + _message(2, scope + b"".join([*spans, *_stages(finished, random, past)])))


def resource_of(facts: Mapping[str, str]) -> bytes:
    """The field of ResourceSpans that says whose spans they are."""
    return _message(1, b"".join([_attribute(1, name, value) for name, value in facts.items()]))


def _server(one: Finished, past: int) -> bytes:
    """The span of a request."""
    trace, kind = one.trace, one.kind
    parts = [_IDS.pack(_TRACE_ID, bytes.fromhex(trace.trace_id), _SPAN_ID, bytes.fromhex(trace.span_id))]
    if trace.state:
        parts.append(_text(3, trace.state))
    if trace.parent_id:
        parts.append(_PARENT_ID + bytes.fromhex(trace.parent_id))
    parts.append(_TIMES.pack(_START, past + round(one.received * 1e9), _END, past + round(one.ended * 1e9)))
    parts.append(_of_kind(kind))
    if kind.grpc_status < 0:
        parts.append(_sum("http.request.body.size", one.request_bytes))
        parts.append(_sum("http.response.body.size", one.response_bytes))
    parts.append(_attribute(9, "mbuild.request_id", one.request_id))
    if one.ran is not None:
        parts.append(_sum("mbuild.rows", one.rows))
        parts.append(_sum("mbuild.batch.requests", one.ran.requests))
        parts.append(_sum("mbuild.batch.rows", one.ran.rows))
    return b"".join(parts)


def _stages(finished: Sequence[Finished], random: Random, past: int) -> Iterator[bytes]:
    """The spans of all requests' stages."""
    moments = np.array([one.moments() for one in finished])
    nanoseconds = (moments * 1e9).round().astype(np.int64) + past
    traces = np.frombuffer(bytes.fromhex("".join([one.trace.trace_id for one in finished])), "V16")
    parents = np.frombuffer(bytes.fromhex("".join([one.trace.span_id for one in finished])), "V8")
    for name, (began, ended) in STAGES.items():
        come = (moments[:, began] > 0) & (moments[:, ended] > 0)
        count = int(come.sum())
        if not count:
            continue
        row, layout = _row(name)
        table = np.frombuffer(bytearray(row * count), layout)
        table["trace"], table["parent"] = traces[come], parents[come]
        table["span"] = np.frombuffer(random.randbytes(8 * count), "V8")
        table["began"], table["ended"] = nanoseconds[come, began], nanoseconds[come, ended]
        yield table.tobytes()


@lru_cache(len(STAGES))
def _row(name: str) -> Tuple[bytes, np.dtype]:
    """A span of a stage, without its numbers, and where they stand in it."""
    times = _TIMES.pack(_START, 0, _END, 0)
    ids = (_TRACE_ID + bytes(16), _SPAN_ID + bytes(8), _PARENT_ID + bytes(8))
    row = _message(2, b"".join(ids) + _text(5, name) + _number(6, _INTERNAL) + times)
    trace, size = row.index(ids[0]) + 2, len(row)
    places = {"trace": ("V16", trace), "span": ("V8", trace + 18), "parent": ("V8", trace + 28)}
    places.update(began=("<i8", size - 17), ended=("<i8", size - 8))
    formats, offsets = zip(*places.values())
    return row, np.dtype({"names": list(places), "formats": formats, "offsets": offsets, "itemsize": size})


@lru_cache(_KINDS)
def _of_kind(kind: Kind) -> bytes:
    """The fields that all spans of a kind of request have in common."""
    parts = [_text(5, kind.name), _number(6, _SERVER)]
    parts += [_attribute(9, name, value) for name, value in _attributes(kind).items()]
    if _error_type(kind):
        parts.append(_message(15, _number(3, _ERROR)))
    return b"".join(parts)


def _attributes(kind: Kind) -> Dict[str, Value]:
    """What conventions name, by their names."""
    if kind.grpc_status >= 0:
        service, _, method = kind.route[1:].rpartition("/")
        found: Dict[str, Value] = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        found["rpc.grpc.status_code"] = kind.grpc_status
    else:
        found = {"http.request.method": kind.method, "url.path": kind.path, "http.response.status_code": kind.status}
        if kind.route:
            found["http.route"] = kind.route
        found["url.scheme"] = kind.scheme
    if error := _error_type(kind):
        found["error.type"] = error
    if kind.user_agent:
        found["user_agent.original"] = kind.user_agent.decode("latin-1")
    found["mbuild.protocol"] = kind.protocol
    if kind.model:
        found["mbuild.model"] = kind.model
    return found


def _error_type(kind: Kind) -> str:
    """What failed on this side, in the words of HTTP or of gRPC; empty where nothing did."""
    if kind.grpc_status >= 0:
        return _GRPC_FAILED.get(kind.grpc_status, "")
    return str(kind.status) if kind.status >= _FAILED else ""


@lru_cache(_NUMBERS)
def _sum(name: str, value: int) -> bytes:
    return _attribute(9, name, value)


def _attribute(field: int, name: str, value: Value) -> bytes:
    """A KeyValue."""
    any_value = _text(1, value) if isinstance(value, str) else _number(3, value)
    return _message(field, _text(1, name) + _message(2, any_value))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode("utf-8", "replace"))


def _message(field: int, data: bytes) -> bytes:
    size = len(data)
    if size < 0x80:
        return bytes((field << 3 | 2, size)) + data
    return bytes((field << 3 | 2, *_varint(size))) + data


def _number(field: int, value: int) -> bytes:
    return bytes((field << 3, *_varint(value)))


def _varint(value: int) -> List[int]:
    digits = []
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return digits
