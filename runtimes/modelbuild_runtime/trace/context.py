"""The trace that a request belongs to, as its caller says.

Source: https://www.w3.org/TR/trace-context/ (level 1)
"""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_LONGEST_STATE = 512
SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
"""Variables without one of which no spans are made, and nothing of this package is imported but this module."""
TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"


class Trace(NamedTuple):
    """``parent_id`` is the caller's span, empty at the root of a trace; ``span_id`` ours, empty where we make none."""

    trace_id: str
    parent_id: str
    span_id: str = ""
    sampled: bool = False
    state: str = ""


def trace_of(headers: Dict[bytes, bytes]) -> Optional[Trace]:
    """What the caller says; None where it says nothing, or nothing that can be right: then a trace begins here."""
    match = _PARENT.fullmatch(headers.get(TRACEPARENT, b"").strip())
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not int(trace_id, 16) or not int(parent_id, 16):
        return None
    state = headers.get(TRACESTATE, b"")
    if len(state) > _LONGEST_STATE or not state.isascii():
        state = b""
    sampled = bool(int(flags, 16) & _SAMPLED)
    return Trace(trace_id.decode(), parent_id.decode(), "", sampled, state.decode())


def traced_headers(headers: Dict[bytes, bytes], trace: Trace) -> Dict[bytes, bytes]:
    """Header fields as the handler is to see them, and to hand on: its calls are children of our span."""
    changed = dict(headers)
    changed[TRACEPARENT] = f"00-{trace.trace_id}-{trace.span_id}-{'01' if trace.sampled else '00'}".encode()
    if not trace.state:
        changed.pop(TRACESTATE, None)
    return changed
