from __future__ import annotations

import asyncio

import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.http.patience import UNREADABLE, deadline, patience
from runtime.grpc.wires import Client as GrpcClient
from runtime.wires import Client


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({b"x-request-timeout": b"2"}, 2.0),
        ({b"x-request-timeout": b" 0.25 "}, 0.25),
        ({b"x-envoy-expected-rq-timeout-ms": b"1500"}, 1.5),
        ({b"x-envoy-expected-rq-timeout-ms": b"0"}, 0.0),
        ({b"x-request-timeout": b"2", b"x-envoy-expected-rq-timeout-ms": b"1500"}, 1.5),
        ({b"x-request-timeout": b"1", b"x-envoy-expected-rq-timeout-ms": b"1500"}, 1.0),
        ({b"x-request-timeout": b"1", b"x-envoy-expected-rq-timeout-ms": b"0"}, 1.0),
        ({b"x-request-timeout": b"0"}, UNREADABLE),
        ({b"x-request-timeout": b"-1"}, UNREADABLE),
        ({b"x-request-timeout": b"soon"}, UNREADABLE),
        ({b"x-request-timeout": b"nan"}, UNREADABLE),
        ({b"x-request-timeout": b"inf"}, UNREADABLE),
        ({b"x-request-timeout": b"1_0"}, UNREADABLE),
        ({b"x-request-timeout": b""}, UNREADABLE),
        ({b"x-envoy-expected-rq-timeout-ms": b"5s"}, UNREADABLE),
    ],
)
def test_seconds_that_a_head_names(headers, seconds):
    assert patience(headers) == seconds


@pytest.mark.parametrize(("seconds", "asked", "at"), [(2.0, 0.0, 12.0), (2.0, 11.0, 11.0), (2.0, 13.0, 12.0)])
def test_the_earlier_of_two_holds(seconds, asked, at):
    assert deadline(10.0, seconds, asked) == at


def test_what_is_no_number_is_refused():
    with pytest.raises(InvalidInput) as caught:
        deadline(10.0, UNREADABLE, 0.0)
    assert caught.value.field == "x-request-timeout"


def question(timeout: str, body: bytes = b"[[1,2,3]]", more: str = "") -> bytes:
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\nx-request-timeout: {timeout}\r\n{more}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("body", [b"[[1,2,3]]", b"[" + b"[1,2,3]," * 20_000 + b"[1,2,3]]"], ids=["small", "large"])
def test_every_request_s_deadline_counts_from_its_arrival(body):
    client = Client(hold=True)
    client.send(question("2.5", body), question("2.5", body))  # the second by a head that is known
    for job in client.queue.jobs:
        assert job.request.deadline == pytest.approx(job.received + 2.5)
    assert len(client.queue.jobs) == 2


def test_a_head_that_cannot_be_read_is_the_client_s_fault_in_the_protocol_s_own_shape():
    client = Client().send(question("tomorrow"))
    ((status, _, body),) = client.responses
    assert status == 400
    assert b'"field":"x-request-timeout"' in body


def test_routes_that_predict_nothing_do_not_care():
    client = Client().send(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nx-request-timeout: tomorrow\r\n\r\n")
    assert client.statuses == [200]


def test_calls_of_grpc_have_the_same_header_and_their_own():
    async def waits() -> list[int]:
        client = GrpcClient(hold=True)
        client.call(x_request_timeout="30")
        client.call(grpc_timeout="20S")
        client.call(grpc_timeout="20S", x_envoy_expected_rq_timeout_ms="10000")
        return [round(job.request.deadline - job.received) for job in client.queue.jobs]

    assert asyncio.run(waits()) == [30, 20, 10]
