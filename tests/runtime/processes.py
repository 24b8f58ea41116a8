"""Starts ``served.py``, and talks to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("served.py")
EXAMPLE = [[1, 2, 3]]


def manifest(folder: Path, *examples: dict[str, Any]) -> Path:
    path = folder / "manifest.json"
    model = {"name": "fake", "version": "1", "path": "model"}
    path.write_text(json.dumps({"model": model, "runtime": {"name": "fake"}, "examples": list(examples)}))
    return path


def environment(folder: Path, **settings: Any) -> dict[str, str]:
    """Of a process that serves the fake model; ``settings`` are MBUILD_ or FAKE_ variables."""
    named = {name: str(value) for name, value in settings.items()}
    examples = () if (folder / "manifest.json").exists() else ({"request": EXAMPLE},)
    path = folder / "manifest.json"
    if examples:
        manifest(folder, *examples)
    return {
        "PATH": os.environ["PATH"],
        "MBUILD_MANIFEST": str(path),
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_GRPC_PORT": "0",
        "MBUILD_THREADS": "1",
        **named,
    }


def run(folder: Path, command: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a subcommand to its end."""
    return subprocess.run(
        [sys.executable, SCRIPT, command],
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


class Served:
    """A running server. Nobody reads its log unless ``reads``, until it has ended."""

    def __init__(self, folder: Path, *, reads: bool = True, **settings: Any) -> None:
        self.port = free_port()
        self.log = folder / "log"
        self._file = self.log.open("w")
        self._gate = folder / "gate"
        variables = environment(folder, MBUILD_PORT=self.port, FAKE_GATE=self._gate, **settings)
        self.tls: ssl.SSLContext | None = None  # what a client needs to be answered
        self.headers: dict[str, str] = {}
        stderr = self._file if reads else subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, SCRIPT, "serve"], env=variables, stderr=stderr)

    def get(self, path: str, body: Any = None, timeout: float = 10.0) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if self.tls is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)
        try:
            text = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, text, self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def status(self, path: str) -> int:
        """0 where nobody answers."""
        try:
            return self.get(path)[0]
        except OSError:
            return 0

    def until(self, condition: Callable[[], Any]) -> None:
        limit = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < limit, f"never happened; log:\n{self.log.read_text()}"
            assert self.process.poll() is None, f"ended; log:\n{self.log.read_text()}"
            time.sleep(0.02)

    def until_ready(self) -> Served:
        self.until(lambda: self.status("/health/ready") == 200)
        return self

    def let_go(self) -> None:
        """Let the predictions for 14 go on."""
        self._gate.touch()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> tuple[int, str]:
        """Exit status and log."""
        if self.process.stderr is not None:
            self.log.write_bytes(self.process.stderr.read())
        status = self.process.wait(20)
        return status, self.log.read_text()

    def close(self) -> None:
        self.let_go()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self._file.close()


class InBackground:
    """One request that takes its time."""

    def __init__(self, served: Served, body: Any) -> None:
        self.result: Any = None
        self._thread = threading.Thread(target=self._ask, args=(served, body))
        self._thread.start()

    def _ask(self, served: Served, body: Any) -> None:
        try:
            self.result = served.get("/predict", body)
        except (OSError, http.client.HTTPException) as error:
            self.result = error

    def wait(self) -> Any:
        self._thread.join(20)
        return self.result


@contextlib.contextmanager
def serving(folder: Path, *, reads: bool = True, **settings: Any) -> Iterator[Served]:
    served = Served(folder, reads=reads, **settings)
    try:
        yield served
    finally:
        served.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
