from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import modelbuild_runtime

SCRIPT = Path(modelbuild_runtime.__file__).with_name("health.py")


def probe(**environment: object) -> int:
    """As the image's health check runs it: isolated, without site-packages."""
    variables = {name: str(value) for name, value in environment.items()}
    done = subprocess.run([sys.executable, "-I", "-S", SCRIPT], env=variables, check=False, timeout=20)
    return done.returncode


class Answering:
    """Answers one connection with fixed bytes."""

    def __init__(self, answer: bytes, host: str = "127.0.0.1") -> None:
        self.asked = b""
        self._socket = socket.create_server((host, 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._answer, args=(answer,), daemon=True)
        self._thread.start()

    def _answer(self, answer: bytes) -> None:
        connection, _ = self._socket.accept()
        self.asked = connection.recv(1000)
        connection.sendall(answer)
        connection.close()
        self._socket.close()


@pytest.mark.parametrize(
    "answer, code",
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"HTTP/1.1 2000 Odd\r\n\r\n", 1),
        (b"SSH-2.0-200 200", 1),
        (b"", 1),
    ],
    ids=["ready", "not ready", "odd", "another protocol", "silent"],
)
def test_only_200_is_healthy(answer, code):
    server = Answering(answer)
    assert probe(MBUILD_PORT=server.port) == code
    assert server.asked.startswith(b"GET /health/ready HTTP/1.1\r\nHost: ")


def test_it_asks_where_the_server_listens():
    ok = b"HTTP/1.1 200 OK\r\n\r\n"
    assert probe(MBUILD_PORT=1, PORT=Answering(ok).port) == 0
    assert probe(AIP_HTTP_PORT=Answering(ok).port, PORT=1, MBUILD_HOST="0.0.0.0") == 0
    assert probe(MBUILD_PORT=Answering(ok, "127.0.0.2").port, MBUILD_HOST="127.0.0.2") == 0


def test_nobody_there_and_nonsense():
    assert probe(MBUILD_PORT=1) == 1
    assert probe(MBUILD_PORT="eighty") == 1
    assert probe(MBUILD_PORT=-5) == 1


def test_it_needs_nothing_but_the_standard_library():
    code = f"import sys, runpy; sys.argv = ['x']; runpy.run_path({str(SCRIPT)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert not {"asyncio", "http", "urllib", "numpy", "modelbuild_runtime"} & set(done.stdout.split())
