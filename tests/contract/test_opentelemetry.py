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
from modelbuild_runtime.trace.span import Finished, Kind

READER = Path(__file__).parent / "clients" / "opentelemetry_reader.py"
TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7", True, "x=1")
KIND = Kind(
    method="GRPC",
    path="/a.B/C",
    route="/a.B/C",
    protocol="open_inference",
    model="m" * 200,
    status=503,
    grpc_status=14,
    user_agent="é".encode("latin-1"),
)
CALL = Finished(
    kind=KIND,
    trace=TRACE,
    request_id="abc",
    request_bytes=1 << 40,
    response_bytes=0,
    rows=300,
    received=10.0,
    queued=10.125,
    ran=Ran(10.25, 10.5, 11.0, 11.5, 2, 300),
    encoding=11.5,
    ended=11.75,
)
OTHER = Finished(
    KIND._replace(method="GET", route="", grpc_status=-1), TRACE, "b", 1 << 40, 7, 0, 10.0, 0.0, None, 0.0, 11.0
)
EXPIRED = Finished(KIND, TRACE, "c", 0, 0, 1, 10.0, 10.5, None, 0.0, 11.0)
PAST = 1_700_000_000_000_000_000


def test_every_field_is_read_as_it_is_meant():
    data = export([CALL, OTHER, EXPIRED], resource_of({"service.name": "m"}), Random(1), PAST)
    done = subprocess.run([python_of("opentelemetry"), READER], input=data, capture_output=True, check=True)
    (resource,) = json.loads(done.stdout)["resourceSpans"]
    assert resource["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "m"}}]}
    (scope,) = resource["scopeSpans"]
    assert scope["scope"] == {"name": "modelbuild_runtime"}
    first, other, _, *children = scope["spans"]
    attributes = {item["key"]: next(iter(item["value"].values())) for item in first.pop("attributes")}
    assert {name: first[name] for name in ("traceState", "name", "kind", "status")} == {
        "traceState": "x=1",
        "name": "a.B/C",
        "kind": "SPAN_KIND_SERVER",
        "status": {"code": "STATUS_CODE_ERROR"},
    }
    assert (first["startTimeUnixNano"], first["endTimeUnixNano"]) == ("1700000010000000000", "1700000011750000000")
    assert attributes == {
        "rpc.system": "grpc",
        "rpc.service": "a.B",
        "rpc.method": "C",
        "rpc.grpc.status_code": "14",
        "error.type": "UNAVAILABLE",
        "user_agent.original": "é",
        "mbuild.request_id": "abc",
        "mbuild.protocol": "open_inference",
        "mbuild.model": "m" * 200,
        "mbuild.rows": "300",
        "mbuild.batch.requests": "2",
        "mbuild.batch.rows": "300",
    }
    stages = {(child["name"], child["startTimeUnixNano"], child["endTimeUnixNano"]) for child in children}
    assert len(children) == 8
    assert {(name, (int(began) - PAST) / 1e9, (int(ended) - PAST) / 1e9) for name, began, ended in stages} == {
        ("decode", 10.0, 10.125),
        ("queue", 10.125, 10.25),
        ("preprocess", 10.25, 10.5),
        ("predict", 10.5, 11.0),
        ("postprocess", 11.0, 11.5),
        ("encode", 11.5, 11.75),
        ("decode", 10.0, 10.5),
        ("queue", 10.5, 11.0),
    }
    assert {(child["traceId"], child["parentSpanId"], child["kind"]) for child in children} == {
        (first["traceId"], first["spanId"], "SPAN_KIND_INTERNAL")
    }
    assert len({child["spanId"] for child in children}) == 8
    assert other["name"] == "GET"
    sizes = {item["key"]: item["value"] for item in other["attributes"] if item["key"].endswith("size")}
    assert [size["intValue"] for size in sizes.values()] == [str(1 << 40), "7"]
