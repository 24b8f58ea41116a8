"""More connections than are let in."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic

import pytest

from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.host import memory
from modelbuild_runtime.process.ports import crowd
from modelbuild_runtime.settings import Settings
from runtime.fakes import fake_protocol
from runtime.processes import free_port, serving
from runtime.wires import Client, FakeTransport, parse, request

READY = b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n"


@contextmanager
def clients(port: int, count: int) -> Iterator[list[socket.socket]]:
    found = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(count)]
    yield found
    for one in found:
        one.close()


def ask(client: socket.socket, data: bytes, *, more: bool = False) -> list[tuple[int, dict[str, str], bytes]]:
    """What is answered, until the end of the connection; or at first, where there may be ``more``."""
    client.sendall(data)
    if more:
        return parse(client.recv(65536))
    return parse(b"".join(iter(lambda: client.recv(65536), b"")))


@pytest.mark.parametrize("workers", [1, 2])
def test_who_is_beyond_the_most_is_told_so_and_health_is_told_to_all(tmp_path, workers):
    port = free_port()
    settings = {"MBUILD_GRPC_PORT": port, "MBUILD_WORKERS": workers, "MBUILD_MAX_CONNECTIONS": 4, "OMP_NUM_THREADS": 1}
    with serving(tmp_path, **settings, OPENBLAS_NUM_THREADS=1) as served:
        served.until_ready()
        served.until(lambda: workers == 1 or served.log.read_text().count("is ready") == workers)
        with clients(served.port, 40) as some, clients(port, 30):  # wherever the kernel sends them
            assert {one[0] for client in some for one in ask(client, request(), more=True)} == {200, 503}
            with clients(served.port, 5) as late:
                ((status, headers, body),) = ask(late[0], request())
                assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
                assert b"as many connections as it takes" in body
                ((status, headers, _),) = ask(late[1], READY + request())
                assert (status, headers["connection"]) == (200, "close")
                assert served.status("/health/live") == 200
                assert late[2].recv(1) == b""  # says nothing: is closed soon
        served.until(lambda: served.status("/predict") != 503)
        served.until(lambda: served.get("/predict", [[1, 2, 3]])[0] == 200)
        assert served.log.read_text().count("there are 4 connections, and no more are answered") == workers
        served.terminate()
        assert served.end()[0] == 0


def test_how_many_are_let_in_by_itself(monkeypatch):
    def most(files: int, allowed: int | None, **settings: int) -> int:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
        monkeypatch.setattr(memory, "limit", lambda: allowed)
        return crowd.most(Settings(**settings))

    assert most(1 << 20, None) == most(resource.RLIM_INFINITY, None) == 16384
    assert most(1024, None) == 1024 - 128 - 64
    assert most(1024, None, workers=4) == (1024 - 128 - 4 * 2) // 4 - 64
    assert most(1 << 20, 512 << 20) == 2048
    assert most(1 << 20, 512 << 20, workers=4) == 512
    assert most(1 << 20, 16 << 20) == 64
    assert most(1 << 20, 16 << 20, max_connections=5000) == 5000
    assert most(1024, None, max_connections=5000) == 1024 - 128 - 64


def test_a_connection_that_never_comes_about_is_not_counted_for_ever():
    client = Client(max_connections=2, read_timeout=5)
    one = crowd.Crowd(client.app, Settings(max_connections=2, read_timeout=5))
    one.routes.open(Router([fake_protocol()]))
    enter = one.door(partial(Connection, client.app), client.app.routes)
    first, second = enter(), enter()  # with the client there are three
    first.connection_made(FakeTransport())
    second.connection_made(FakeTransport())
    assert client.app.coming == {}
    first.data_received(request())
    assert first._transport.written.startswith(b"HTTP/1.1 200")
    second.data_received(request())
    assert second._transport.written.startswith(b"HTTP/1.1 503")
    assert second._transport.closed
    for connection in (first, second):
        connection.connection_lost(None)
    shaking = enter()
    one.patrol(client.app.now + 5)
    assert list(client.app.coming) == [shaking]
    one.patrol(client.app.now + 7)
    assert client.app.coming == {}


def test_of_those_beyond_the_most_the_oldest_gives_way_to_the_newest():
    client = Client()
    one = crowd.Crowd(client.app, Settings(max_connections=1))
    enter = one.door(partial(Connection, client.app), client.app.routes)
    beyond = [enter() for _ in range(70)]  # a burst: all are accepted before the first is made
    for connection in beyond:
        connection.connection_made(FakeTransport())
    assert not any(connection._transport.aborted for connection in beyond)
    enter().connection_made(FakeTransport())
    assert [connection._transport.aborted for connection in beyond] == [True] * 7 + [False] * 63
    one.patrol(monotonic() + 3)
    assert beyond[-1]._transport.closed
