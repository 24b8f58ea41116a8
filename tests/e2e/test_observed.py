"""What a collector of spans, the log and metrics are told of requests to a container; and health, where too many ask."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from contract.clients.environment import python_of
from e2e.conftest import make_mbuild
from e2e.projects import make_project
from e2e.servers import HARDENED, ask, free_port, wait_until_ready
from runtime.trace.receiver import Receiver, Span

pytestmark = pytest.mark.docker

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HANDLER = '''\
"""Says what it sees of the trace."""


def handle(data, context):
    names = ("traceparent", "tracestate")
    return [{name: context.get_request_header(at, name) for name in names} for at in range(len(data or ()))]
'''
STATES = """
import sys, grpc
def state(method):
    with grpc.insecure_channel(sys.argv[1]) as channel:
        try:
            return channel.unary_unary(method)(b"", timeout=20)
        except grpc.RpcError as error:
            return error.code().name
assert state("/grpc.health.v1.Health/Check") == b"\\x08\\x01"
print(state("/inference.GRPCInferenceService/ServerMetadata"))
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def server(
    settings: dict[str, str],
    client: Any,
    worker: str,
    receiver: Receiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Any, str, str]]:
    """A container in this machine's network, where the collector is; its addresses of HTTP and gRPC."""
    folder = tmp_path_factory.mktemp("observed")
    project = make_project(folder / "project")
    project.handler.write_text(HANDLER)
    reference = f"mbuild-e2e-{worker}/observed:1"
    make_mbuild(settings, folder)("package", project.model, "-H", project.handler, "-t", reference, "--no-verify")
    port, grpc_port = free_port(), free_port()
    environment = {
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_PORT": str(port),
        "MBUILD_GRPC_PORT": str(grpc_port),
        "MBUILD_MAX_CONNECTIONS": "20",
        "MBUILD_LOG_FORMAT": "json",
        "MBUILD_ACCESS_LOG": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_SERVICE_NAME": "shop",
    }
    container = client.containers.run(reference, detach=True, network_mode="host", environment=environment, **HARDENED)
    try:
        wait_until_ready(f"127.0.0.1:{port}")
        yield container, f"127.0.0.1:{port}", f"127.0.0.1:{grpc_port}"
    finally:
        container.remove(force=True, v=True)
        client.images.remove(reference, force=True)


def until(found: Any, container: Any) -> Any:
    limit = time.monotonic() + 30
    while not (result := found()):
        assert time.monotonic() < limit, container.logs().decode()
        time.sleep(0.1)
    return result


def test_a_request_is_a_span_of_its_callers_trace_and_one_line_of_the_log(
    server: tuple[Any, str, str], receiver: Receiver
) -> None:
    container, address, _ = server
    connection = HTTPConnection(*address.split(":"), timeout=30)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "shop=1", "x-request-id": "order-7"}
    connection.request("POST", "/predict", b"[1]", {"content-type": "application/json", **headers})
    response = connection.getresponse()
    assert (response.status, response.headers["x-request-id"]) == (200, "order-7")
    text = response.read()
    seen = json.loads(text)
    connection.close()

    spans: list[Span] = until(lambda: [span for span in receiver.spans if span.trace_id == TRACE], container)
    (span,) = [span for span in spans if span.parent == PARENT]
    assert (span.name, span.kind, span.state, span.status) == ("POST /predict", 2, "shop=1", 0)
    assert span.attributes["http.response.status_code"] == 200
    stages = {one.name: one for one in spans if one.parent == span.id}
    assert {"decode", "queue", "predict", "encode"} <= set(stages)
    assert all(span.began <= one.began <= one.ended <= span.ended for one in stages.values())
    assert seen == {"traceparent": f"00-{TRACE}-{span.id}-01", "tracestate": "shop=1"}

    def logged() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in container.logs().decode().splitlines() if "order-7" in line]
        return [line for line in lines if "status" in line]

    (line,) = until(logged, container)
    said = {name: line[name] for name in ("request_id", "method", "path", "protocol", "status", "trace_id", "span_id")}
    assert said == {
        "request_id": "order-7",
        "method": "POST",
        "path": "/predict",
        "protocol": "rest",
        "status": 200,
        "trace_id": TRACE,
        "span_id": span.id,
    }
    assert (line["model"], line["request_bytes"], line["response_bytes"]) == ("observed", 3, len(text))
    assert set(line["stages"]) == {"decode", "queue", "preprocess", "predict", "postprocess", "encode"}
    assert 0 < sum(line["stages"].values()) <= line["seconds"] + 1e-4
    metrics = ask(address, "/metrics")[1].decode()
    assert 'mbuild_stage_seconds_count{model="observed",stage="predict"} 1.0' in metrics
    assert 'mbuild_traced_requests_total{outcome="exported"}' in metrics


def test_where_too_many_ask_health_is_told_all_the_same(server: tuple[Any, str, str]) -> None:
    container, address, of_grpc = server
    host, _, port = address.partition(":")
    python = python_of("kserve")
    with contextlib.ExitStack() as crowd:
        for _ in range(120):
            crowd.enter_context(socket.create_connection((host, int(port)), 10))
        assert ask(address, "/predict", [1])[0] == 503
        for path in ("/health/live", "/health/ready", "/ping", "/v2/health/ready"):
            assert ask(address, path)[0] == 200
        said = subprocess.run([python, "-c", STATES, of_grpc], capture_output=True, text=True, timeout=60, check=True)
        assert said.stdout.strip() == "UNAVAILABLE"
    until(lambda: ask(address, "/predict", [1])[0] == 200, container)
