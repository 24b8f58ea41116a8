"""What is exported is what OpenTelemetry's own messages say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from random import Random

from contract.clients.environment import python_of
from modelbuild_runtime.metrics.marks import Ran
from modelbuild_runtime.trace.context import Trace
from modelbuild_runtime.trace.otlp import export, resource_of
from modelbuild_runtime.trace.span import Finished

READER = Path(__file__).parent / "clients" / "opentelemetry_reader.py"
TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7", True, "x=1")
CALL = Finished(
    trace=TRACE,
    request_id="abc",
    method="GRPC",
    path="/a.B/C",
    route="/a.B/C",
    protocol="open_inference",
    model="m" * 200,
    status=503,
    grpc_status=14,
    request_bytes=1 << 40,
    response_bytes=0,
    user_agent="é",
    rows=300,
    received=10.0,
    queued=10.125,
    ran=Ran(10.25, 10.5, 11.0, 11.5, 2, 300),
    encoding=11.5,
    ended=11.75,
    wall=1_700_000_000_000_000_000,
)


def test_every_field_is_read_as_it_is_meant():
    data = export([CALL, CALL._replace(ran=None, queued=0.0)], resource_of({"service.name": "m"}), Random(1))
    done = subprocess.run([python_of("opentelemetry"), READER], input=data, capture_output=True, check=True)
    (resource,) = json.loads(done.stdout)["resourceSpans"]
    assert resource["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "m"}}]}
    (scope,) = resource["scopeSpans"]
    assert scope["scope"] == {"name": "modelbuild_runtime"}
    first, *children, last = scope["spans"]
    attributes = {item["key"]: next(iter(item["value"].values())) for item in first.pop("attributes")}
    assert {name: first[name] for name in ("traceState", "name", "kind", "status")} == {
        "traceState": "x=1",
        "name": "a.B/C",
        "kind": "SPAN_KIND_SERVER",
        "status": {"code": "STATUS_CODE_ERROR"},
    }
    assert (first["startTimeUnixNano"], first["endTimeUnixNano"]) == ("1699999998250000000", "1700000000000000000")
    assert attributes == {
        "rpc.system": "grpc",
        "rpc.service": "a.B",
        "rpc.method": "C",
        "rpc.grpc.status_code": "14",
        "error.type": "503",
        "user_agent.original": "é",
        "mbuild.request_id": "abc",
        "mbuild.protocol": "open_inference",
        "mbuild.model": "m" * 200,
        "mbuild.rows": "300",
        "mbuild.batch.requests": "2",
        "mbuild.batch.rows": "300",
    }
    assert [child["name"] for child in children] == [
        *("decode", "queue", "preprocess", "predict", "postprocess", "encode"),
    ]
    assert {(child["parentSpanId"], child["kind"]) for child in children} == {(first["spanId"], "SPAN_KIND_INTERNAL")}
    assert children[3]["startTimeUnixNano"] == "1699999998750000000"
    assert last["name"] == "a.B/C"
