"""Whoever collects spans: takes exports over HTTP, and reads them with Google's implementation of protobuf."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import descriptor_pool, message_factory

from modelbuild_runtime.grpc.proto_text import parse, resolve

PROTO = """
syntax = "proto3";
package otlp;
message Export { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; }
message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  string trace_state = 3;
  bytes parent_span_id = 4;
  string name = 5;
  int32 kind = 6;
  fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9;
  Status status = 15;
}
message Status { int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { string string_value = 1; int64 int_value = 3; }
"""


def _message_class() -> Any:
    file = parse("otlp.proto", PROTO)
    resolve(file, {})
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("otlp.Export"))


EXPORT = _message_class()


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
    export = EXPORT.FromString(data)
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
