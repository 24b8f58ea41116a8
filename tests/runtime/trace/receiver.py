"""Whoever collects spans: takes exports over HTTP, and reads them with OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def attributes(found: Sequence[Any]) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in found}


class Span:
    def __init__(self, span: Any) -> None:
        self.trace_id, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.name, self.kind, self.state, self.status = span.name, span.kind, span.trace_state, span.status.code
        self.began, self.ended = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = attributes(span.attributes)


def read(data: bytes) -> tuple[dict[str, Any], list[Span]]:
    """The resource's attributes, and the spans."""
    export = ExportTraceServiceRequest.FromString(data)
    (resource,) = export.resource_spans
    (scope,) = resource.scope_spans
    assert scope.scope.name == "modelbuild_runtime"
    return attributes(resource.resource.attributes), [Span(span) for span in scope.spans]


class Receiver:
    """``statuses`` are answered one after the other, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.exports: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        left = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    data = gzip.decompress(data)
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                receiver.paths.append(self.path)
                status = left.pop(0) if left else 200
                if status == 200:
                    receiver.exports.append(data)
                self.send_response(status)
                self.send_header("retry-after", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[Span]:
        return [span for export in self.exports for span in read(export)[1]]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
