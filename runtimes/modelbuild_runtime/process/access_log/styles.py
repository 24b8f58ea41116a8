"""The two styles of a line of the access log, as formats of bytes that follow one another in this order."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple

import msgspec

from modelbuild_runtime.log import printable


class Style(NamedTuple):
    """``head`` is what requests of one kind have in common, ``run`` what those have that ran together."""

    moment: bytes
    head: Callable[[Dict[str, Any]], bytes]
    sizes: bytes
    queue: bytes
    run: bytes
    encode: bytes
    rows: bytes
    cache: bytes
    joined: bytes
    trace: bytes
    span: bytes
    name: bytes
    quoted: Callable[[str], bytes]
    end: bytes

    @property
    def whole(self) -> bytes:
        """The format of nearly all lines: of a request that was in a run. What stands for the moment, the head,
        ``run``, ``joined`` and the trace is put in as it is.
        """
        return b"%b%b" + self.sizes + self.queue + b"%b" + self.encode + self.rows + b"%b%b" + self.name + self.end


def _json_head(said: Dict[str, Any]) -> bytes:
    message = f"{said['method']} {said['path']} {said['status']}"
    return msgspec.json.encode({"severity": "INFO", "message": message, **said})[1:-1]


def _text_head(said: Dict[str, Any]) -> bytes:
    return printable(f"INFO {said['method']} {said['path']} {said['status']}", said).encode()


JSON = Style(
    moment=b'{"time":"%b",',
    head=_json_head,
    sizes=b',"request_bytes":%d,"response_bytes":%d,"seconds":%.6f',
    queue=b',"stages":{"decode":%.6f,"queue":%.6f',
    run=b',"preprocess":%.6f,"predict":%.6f,"postprocess":%.6f',
    encode=b',"encode":%.6f',
    rows=b'},"rows":%d',
    cache=b',"cache":"%b"',
    joined=b',"batch_requests":%d,"batch_rows":%d',
    trace=b',"trace_id":"%b"',
    span=b',"span_id":"%b"',
    name=b',"request_id":%b',
    quoted=msgspec.json.Encoder().encode,
    end=b"}\n",
)
TEXT = Style(
    moment=b"%b ",
    head=_text_head,
    sizes=b" request_bytes=%d response_bytes=%d seconds=%.6f",
    queue=b" stages.decode=%.6f stages.queue=%.6f",
    run=b" stages.preprocess=%.6f stages.predict=%.6f stages.postprocess=%.6f",
    encode=b" stages.encode=%.6f",
    rows=b" rows=%d",
    cache=b" cache=%b",
    joined=b" batch_requests=%d batch_rows=%d",
    trace=b" trace_id=%b",
    span=b" span_id=%b",
    name=b" [%b]",
    quoted=str.encode,
    end=b"\n",
)
STYLES = {"json": JSON, "text": TEXT}
"""By what MBUILD_LOG_FORMAT says."""
