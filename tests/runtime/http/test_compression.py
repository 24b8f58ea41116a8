"""Answers are compressed for those who mean it."""

from __future__ import annotations

import gzip
import zlib

import pytest

from modelbuild_runtime.errors import DeadlineExceeded
from modelbuild_runtime.http.compression import coding_for
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.protocols import Route
from runtime.wires import Client, parse, request

LARGE = b"0123456789" * 20_000


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"gzip", "gzip"),
        (b"Deflate", "deflate"),
        (b"gzip;q=0.5, identity", "gzip"),
        (b"deflate;q=0, gzip", "gzip"),
        (b"gzip;q=0", None),
        (b"gzip, deflate", None),  # what libraries send with every request
        (b"gzip, deflate, br, zstd", None),
        (b"br", None),
        (b"*", None),
        (b"identity", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_one_coding_that_is_named_is_asked_for(accepted, coding):
    assert coding_for(accepted, HttpResponse(200, b"x" * 300)) == coding


def test_little_is_not_worth_it_and_what_is_packed_is_packed():
    assert coding_for(b"gzip", HttpResponse(200, b"x" * 200)) is None
    assert coding_for(b"gzip", HttpResponse(200, b"x" * 300, headers=(("Content-Encoding", "br"),))) is None


@pytest.mark.parametrize("body", [b"x" * 1000, LARGE])
@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_over_the_wire(body, coding, unpack):
    answer = HttpResponse(200, body, headers=(("inference-header-content-length", "7"),))
    client = Client(Route("GET", "/large", lambda _: answer))
    client.send(request(b"", b"Accept-Encoding: " + coding.encode(), method=b"GET", target=b"/large") * 2)
    first, second = parse(client.transport.written, "GET")
    assert first[2] == second[2]
    status, headers, packed = first
    assert status == 200
    assert headers["content-encoding"] == coding
    assert headers["vary"] == "accept-encoding"
    assert headers["inference-header-content-length"] == "7"
    assert len(packed) < len(body) / 2
    assert unpack(packed) == body


def test_large_answers_are_packed_beside_the_loop():
    client = Client(Route("GET", "/large", lambda _: HttpResponse(200, LARGE)))
    waiting = []
    client.app.beside = waiting.append
    client.send(request(b"", b"Accept-Encoding: gzip", method=b"GET", target=b"/large"))
    assert client.transport.written == b""
    waiting[0]()()
    assert gzip.decompress(parse(client.transport.written, "GET")[0][2]) == LARGE
    client.send(request(b"", b"Accept-Encoding: gzip", method=b"GET", target=b"/large"))
    client.transport.written = b""
    client.connection.pause_writing()
    client.transport.abort()
    client.connection.connection_lost(None)
    waiting[1]()()  # nobody waits for it any more
    assert client.transport.written == b""


def test_an_error_is_packed_for_whom_the_queue_has_given_up(monkeypatch):
    """Who is late is no longer waited for by the queue, and waits for the answer that says so."""
    monkeypatch.setattr("modelbuild_runtime.process.requests.offload.SLOW", 300)
    client = Client(hold=True)
    waiting = []
    client.send(request(b"[[1,2,3]]", b"Accept-Encoding: gzip"), request())
    client.app.beside = waiting.append
    late, other = client.queue.jobs
    late.cancelled = True
    late.fail(DeadlineExceeded("late " * 100))
    client.queue.answer(1)
    assert client.transport.written == b"", "answers stay in order"
    waiting[0]()()
    (status, headers, packed), (second, _, _) = client.responses
    assert (status, second) == (504, 200)
    assert headers["content-encoding"] == "gzip"
    assert b"late late" in gzip.decompress(packed)
    assert other.data is not None
