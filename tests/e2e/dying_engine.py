"""An engine that dies half-way: passes a socket's bytes on, and hangs up when the answer to a request begins."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET = "/var/run/docker.sock"


@contextmanager
def dying_engine(folder: Path, request: bytes, *, for_ever: bool = False) -> Iterator[str]:
    """The DOCKER_HOST of an engine that hangs up once, or ``for_ever``, on the first request that holds these bytes."""
    path = folder / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        engine = _Engine(listener, request, for_ever)
        threading.Thread(target=engine.serve, daemon=True).start()
        yield f"unix://{path}"
        assert engine.died.is_set(), f"nobody asked for {request!r}"


class _Engine:
    def __init__(self, listener: socket.socket, request: bytes, for_ever: bool) -> None:
        self.died = threading.Event()
        self._listener = listener
        self._request = request
        self._for_ever = for_ever

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.died.is_set() and self._for_ever:
                    client.close()
                    continue
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(SOCKET)
                doomed = threading.Event()
                for pair in ((client, engine, doomed, True), (engine, client, doomed, False)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, doomed: threading.Event, to_engine: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                if to_engine and self._request in piece and not self.died.is_set():
                    doomed.set()
                if doomed.is_set() and not to_engine:
                    self.died.set()
                    break
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
