"""Calls that are wrong, and what gRPC's status says of each."""

from __future__ import annotations

import gzip

import pytest

from modelbuild_runtime import errors
from modelbuild_runtime.grpc import status
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from runtime.grpc.wires import Client, message

HTTP = HttpRequest("GRPC", "/a.B/C", "", {}, b"", {})


@pytest.mark.parametrize(
    ("fields", "data", "code", "words"),
    [
        ({"path": "/fake.Service/Nothing"}, message(), 12, "there is no method /fake.Service/Nothing"),
        ({"path": "/other.Service/Predict"}, message(), 12, "there is no method /other.Service/Predict"),
        ({}, b"", 12, "this method takes one message, and the call has none"),
        ({}, message() * 2, 12, "this method takes one message, and the call has more"),
        ({}, message()[:-1], 3, "the call ends within a message"),
        ({}, b"\0\0", 3, "the call ends within a message"),
        ({}, b"\2\0\0\0\0", 3, "a message begins with the flag 2, which is none"),
        ({}, message(flag=1), 3, "a message is compressed, and grpc-encoding does not say how"),
        (
            {"grpc_encoding": "identity"},
            message(flag=1),
            3,
            "a message is compressed, and grpc-encoding does not say how",
        ),
        ({"grpc_encoding": "gzip"}, message(flag=1), 3, "the body is not compressed as its content-encoding says"),
        (
            {"grpc_encoding": "snappy"},
            message(),
            12,
            "grpc-encoding b'snappy' is not supported; use gzip, deflate or identity",
        ),
        ({"grpc_timeout": "1"}, message(), 3, "grpc-timeout b'1' is not understood"),
        ({"grpc_timeout": "123456789S"}, message(), 3, "grpc-timeout b'123456789S' is not understood"),
        ({}, b"\0\0\x10\0\1", 8, "a message of 1048577 bytes is larger than 1048576"),
        ({"path": "/fake.Service/Echoes"}, message(b"a") + b"\0\xff\xff\xff\xff", 8, "larger than 1048576"),
        (
            {"grpc_encoding": "gzip"},
            message(gzip.compress(b" " * (1 << 21)), flag=1),
            8,
            "the decompressed body is larger",
        ),
        ({"path": "/fake.Service/Echoes"}, b"\0\0", 3, "the call ends within a message"),
    ],
)
def test_a_call_that_is_wrong(fields, data, code, words):
    client = Client(max_body=1 << 20)
    stream = client.open(**fields)
    if not client.answer(stream).ended:
        client.send(stream, data, end=True)
    answer = client.answer(stream)
    assert answer.status == code
    assert words in answer.words
    assert answer.headers[":status"] == "200"
    assert client.connection.pending == []
    assert client.call().messages == [b"[6.0]"], "the connection goes on"
    assert client.app.held == 0


def test_too_many_fields():
    client = Client()
    stream = client.open(**{f"x_{number}": "a" for number in range(100)})
    assert (client.answer(stream).status, client.answer(stream).words) == (8, "more than 100 metadata fields")


def test_a_call_that_is_refused_early_is_told_to_stop_sending():
    client = Client()
    stream = client.open(path="/fake.Service/Nothing")
    answer = client.answer(stream)
    assert answer.status == 12
    assert answer.reset == 0
    client.connection.data_received(b"\0\0\x03\0\1\0\0\0\1abc")  # was on its way
    assert client.call().messages == [b"[6.0]"]


def test_while_the_model_is_loaded_calls_are_turned_away_and_later_answered():
    client = Client(opened=False)
    answer = client.call()
    assert (answer.status, answer.words) == (14, "the model is still being loaded")
    assert answer.headers["retry-after"] == "1"
    opened = Client()
    client.app.open(opened.app.routes._router, *_parts(opened))
    assert client.call().messages == [b"[6.0]"]


def _parts(client: Client) -> tuple[object, object]:
    from modelbuild_runtime.dataplane.dataplane import Dataplane
    from modelbuild_runtime.process.models.replay import Immediate
    from runtime.fakes import FakePipeline

    dataplane = Dataplane(FakePipeline())
    return dataplane, Immediate(dataplane)


@pytest.mark.parametrize(
    ("fields", "http_status"),
    [
        ({"content_type": "application/json"}, "415"),
        ({"content_type": ""}, "415"),
        ({"content_type": "application/grpcx"}, "415"),
        ({"method": "GET"}, "405"),
    ],
)
def test_what_is_no_call_of_grpc(fields, http_status):
    client = Client()
    answer = client.answer(client.open(**fields))
    assert answer.headers[":status"] == http_status
    assert answer.ended
    assert client.goaway is None


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc;charset=utf-8", "Application/gRPC"])
def test_content_types_that_are_grpc_s(kind):
    assert Client().call(content_type=kind).messages == [b"[6.0]"]


def test_what_the_model_raises_stays_in_the_log(caplog):
    answer = Client().call(b"[[666,0,0]]", x_request_id="an-id")
    assert answer.status == 13
    assert answer.words == "the model or its handler failed; the server's log says why, under request id an-id"
    assert "secret detail of the handler" in caplog.text


def test_messages_of_errors_are_quoted_and_cut():
    assert status.quoted("a b%c\nü~") == "a b%25c%0A%C3%BC~"
    assert status.quoted("ü" * 1000) == "%C3%BC" * 512 + "..."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput, 3),
        (errors.Unauthorized, 16),
        (errors.NotFound, 5),
        (errors.TooLarge, 8),
        (errors.Overloaded, 8),
        (errors.PredictionFailed, 13),
        (errors.Unsupported, 12),
        (errors.NotReady, 14),
        (errors.DeadlineExceeded, 4),
        (errors.OutOfResources, 13),
        (errors.ServerError, 13),
    ],
)
def test_the_code_of_every_error(error, code):
    response = status.grpc_error(HTTP, error("the message"))
    assert dict(response.headers) == {"grpc-status": str(code), "grpc-message": "the message"}
    assert response.status == error.status


def test_a_protocol_may_know_a_better_code_and_an_error_of_another_shape_becomes_one():
    assert dict(status.grpc_error(HTTP, errors.Overloaded("m"), status.UNAVAILABLE).headers)["grpc-status"] == "14"
    shaped = status.shaped(HttpResponse(404, b'{"error":"x"}'))
    assert dict(shaped.headers) == {"grpc-status": "5", "grpc-message": "Not Found"}


def test_bodies_that_are_large_take_turns():
    client = Client(max_held=4 << 20, max_body=8 << 20)
    other = client.another()
    first = client.open(path="/fake.Service/Echo")
    client.send(first, message(b"x" * (3 << 20))[:-1])
    assert client.app.held > 3 << 20
    second = other.open(path="/fake.Service/Echo")
    other.send(second, message(b"y" * (2 << 20))[: 1 << 19])
    other.send(second, b"y" * (1 << 19))
    answer = other.answer(second)
    assert (answer.status, answer.words) == (8, "other large requests are being read; come back later")
    client.send(first, b"x", end=True)
    assert client.answer(first).messages == [b"x" * (3 << 20)]
    assert client.app.held == 0
    alone = client.open(path="/fake.Service/Echo")
    client.send(alone, message(b"x" * (5 << 20))[: (4 << 20) + 1000])
    assert "the memory of this server is for messages of 4194304 bytes" in client.answer(alone).words
    assert client.app.held == 0


@pytest.mark.parametrize("path", ["/fake.Service/Predict", "/fake.Service/Chat"])
def test_a_client_that_is_slow_in_sending_a_message(path):
    client = Client()
    stream = client.open(path=path)
    client.send(stream, message()[:7])
    client.patrol(9)
    assert not client.answer(stream).ended
    client.patrol(11)
    answer = client.answer(stream)
    assert (answer.status, answer.words) == (4, "the request was not sent in time")


def test_a_stream_of_messages_may_pause_between_them_and_not_for_ever():
    client = Client()
    stream = client.open(path="/fake.Service/Chat")
    client.send(stream, message())
    client.patrol(600)
    assert not client.answer(stream).ended
    client.patrol(621)
    assert client.answer(stream).status == 4


def test_a_client_that_does_not_take_its_answer_is_let_go():
    client = Client()
    client.acknowledge = False
    client.call(b"x" * 100_000, path="/fake.Service/Echo")
    client.patrol(59)
    assert client.answer(1).reset is None
    client.patrol(61)
    assert client.answer(1).reset == 8
    client.connection.pause_writing()
    client.patrol(59)
    assert not client.transport.aborted
    client.patrol(61)
    assert client.transport.aborted


def test_many_small_messages_that_wait_count_as_well():
    client = Client(max_held=100_000, hold=True)
    row = b"[[1,0,0]" + b" " * 10_000 + b"]"
    streams = [client.open() for _ in range(12)]
    for stream in streams:
        client.send(stream, message(row), end=True)
    refused = [stream for stream in streams if client.answer(stream).status == status.RESOURCE_EXHAUSTED]
    assert refused == streams[-3:]
    for position in range(9):
        client.queue.answer(position)
    client.exchange()
    assert [client.answer(stream).status for stream in streams[:9]] == [0] * 9
    assert client.app.held == 0


def test_an_answer_that_is_an_error_of_http_ends_the_call_as_one():
    answer = Client().call(b"", path="/fake.Service/Missing")
    assert (answer.messages, answer.status, answer.words) == ([], status.NOT_FOUND, "Not Found")
