"""Clients that are slow on purpose, over real sockets: they are cut off, and the others notice nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runtime.processes import Served, serving

HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        yield client


def rest(client: socket.socket) -> bytes:
    """What is answered until the end of the connection."""
    read = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            read += piece
    return read


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("slow")
    with serving(folder, MBUILD_READ_TIMEOUT=0.5, MBUILD_TIMEOUT=1) as found:
        yield found.until_ready()


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", b""), (b"POST /pre", b"HTTP/1.1 408 "), (HEAD[:-2], b"HTTP/1.1 408 "), (HEAD + b"[[1,", b"HTTP/1.1 408 ")],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
def test_who_does_not_go_on_is_cut_off(served: Served, sent: bytes, status: bytes) -> None:
    began = time.monotonic()
    with connected(served) as client:
        client.sendall(sent)
        assert rest(client)[:13] == status
    assert 0.4 < time.monotonic() - began < 6
    assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')


@pytest.mark.parametrize("start", [b"POST /predict HTTP/1.1\r\nHost: a\r\nX: ", HEAD])
def test_who_goes_on_byte_by_byte_is_cut_off(served: Served, start: bytes) -> None:
    with connected(served) as client:
        client.sendall(start)
        began = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - began < 8:
                client.sendall(b"1")
                client.settimeout(0.05)
                with suppress(TimeoutError):
                    assert client.recv(13) == b"HTTP/1.1 408 "
                    break
        assert time.monotonic() - began < 6, "a byte now and then is no reason to wait"
    assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')


def test_who_does_not_read_is_cut_off_and_keeps_nobody(tmp_path: Path) -> None:
    body = json.dumps({"x": [1, 2, 3] * 200_000, "shape": [200_000, 3]}).encode()
    with serving(tmp_path, MBUILD_TIMEOUT=1) as served, connected(served.until_ready()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(8):
            client.sendall(HEAD.replace(b"1000", b"%d" % len(body)) + body)
        served.until(lambda: b"mbuild_connections 2.0" in served.get("/metrics")[1])  # and who asks for the numbers
        served.until(lambda: b"mbuild_connections 1.0" in served.get("/metrics")[1])
        assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
