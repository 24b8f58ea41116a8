"""Answers in parts on the wire: chunks, in order with the answers around them, at the pace of the client."""

from __future__ import annotations

import msgspec
import pytest

from modelbuild_runtime.answers import parts
from modelbuild_runtime.errors import PredictionFailed
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.protocols import Prediction, Route
from modelbuild_runtime.request import Parts, Request, Rows
from runtime.fakes import FakePipeline
from runtime.wires import Client, request


class Counting(FakePipeline):
    """Counts to the row's number; ``made`` are the numbers made, ``ended`` how many streams came to an end."""

    streams = True

    def __init__(self) -> None:
        super().__init__(wants="rows")
        self.made: list[int] = []
        self.ended = 0

    def stream(self, inputs, parameters=None):
        def parts():
            try:
                for number in range(inputs[0]):
                    if number == 666:
                        raise ValueError("secret")
                    self.made.append(number)
                    yield number
            finally:
                self.ended += 1

        return Parts(parts())


def decode(http):
    return Request(Rows(msgspec.json.decode(http.body)), stream=True)


def encode(_http, _request, response):
    return parts.answer(response, "text/event-stream")


ROUTE = Route("POST", "/count", Prediction(decode, encode))


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def client(counting):
    return Client(ROUTE, pipeline=counting)


def test_events_in_chunks(client, counting):
    client.send(request(b"[3]", target=b"/count"))
    ((status, headers, body),) = client.responses
    assert status == 200
    assert headers["transfer-encoding"] == "chunked"
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in headers
    assert body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert counting.ended == 1
    assert not client.transport.closed


def test_no_parts_at_all(client):
    client.send(request(b"[0]", target=b"/count"))
    ((status, _, body),) = client.responses
    assert (status, body) == (200, b"")


def test_answers_after_it_wait_for_its_end(counting):
    client = Client(ROUTE, pipeline=counting, hold=True)
    client.send(request(b"[2]", target=b"/count"), request(b"[5]", target=b"/predict"))
    client.queue.answer(1)
    assert client.transport.written == b""
    client.queue.answer(0)
    while len(client.queue.jobs) > 2:
        client.queue.answer(2)
        del client.queue.jobs[2]
    assert [body for _, _, body in client.responses] == [b"data: 0\n\ndata: 1\n\n", b'[{"got":5}]']


def test_a_client_that_does_not_read_is_waited_for(counting):
    client = Client(ROUTE, pipeline=counting, hold=True)
    client.send(request(b"[9]", target=b"/count"))
    client.queue.answer(0)
    client.connection.pause_writing()
    client.queue.answer(1)
    assert len(client.queue.jobs) == 2
    client.connection.resume_writing()
    assert len(client.queue.jobs) == 3


def test_a_client_that_goes_ends_what_makes_the_parts(counting):
    client = Client(ROUTE, pipeline=counting, hold=True)
    client.send(request(b"[9]", target=b"/count"))
    client.queue.answer(0)
    client.connection.connection_lost(None)
    for position in range(1, len(client.queue.jobs)):
        client.queue.answer(position)
    assert counting.ended == 1
    assert counting.made in ([0], [0, 1])


def test_a_failure_on_the_way_is_the_last_event(client):
    client.send(request(b"[700]", target=b"/count"))
    ((status, _, body),) = client.responses
    assert status == 200
    assert b"the model or its handler failed" in body.split(b"\n\n")[-2]
    assert b"secret" not in body


def test_a_protocol_that_cannot_tell_breaks_the_connection(counting):
    def torn(_http, _request, _response):
        def parts():
            yield b"one"
            raise PredictionFailed("broken")

        return HttpResponse(200, parts=parts())

    client = Client(Route("POST", "/torn", Prediction(decode, torn)), pipeline=counting)
    client.send(request(b"[3]", target=b"/torn"))
    assert client.transport.aborted
    assert client.transport.written.endswith(b"3\r\none\r\n")


def test_empty_parts_do_not_end_the_answer(counting):
    def sparse(_http, _request, _response):
        return HttpResponse(200, parts=iter([b"", b"a", b"", b"b", b""]))

    client = Client(Route("POST", "/sparse", Prediction(decode, sparse)), pipeline=counting)
    client.send(request(b"[1]", target=b"/sparse"))
    assert client.responses[0][2] == b"ab"


def test_http_1_0_ends_with_the_connection(client):
    client.send(request(b"[2]", target=b"/count").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    head, _, body = client.transport.written.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body == b"data: 0\n\ndata: 1\n\n"
    assert client.transport.closed


def test_one_client_s_stream_keeps_no_other_from_answers(counting):
    client = Client(ROUTE, pipeline=counting, hold=True)
    other = client.another()
    client.send(request(b"[9]", target=b"/count"))
    client.queue.answer(0)
    other.send(request(b"[5]", target=b"/predict"))
    client.queue.answer(2)
    assert other.statuses == [200]
