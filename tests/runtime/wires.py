"""A connection without a network: what a client would send goes in, what it would read comes out."""

from __future__ import annotations

import json
from typing import Any

import h11

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.access_log.log import AccessLog
from modelbuild_runtime.process.access_log.styles import JSON
from modelbuild_runtime.process.models.replay import Immediate
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.settings import Settings
from runtime.fakes import FakePipeline, fake_protocol


class FakeTransport:
    """Remembers what was written, and what was done to it."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.aborted = False
        self.reading = True
        self.ended = False
        self.unread = 0

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after close"
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Held:
    """A queue that keeps its jobs until the test answers them."""

    def __init__(self, dataplane: Dataplane) -> None:
        self.jobs: list[Any] = []
        self._immediate = Immediate(dataplane)

    def admit(self) -> None:
        """Always."""

    def submit(self, job: Any) -> None:
        self.jobs.append(job)

    resume = submit

    def answer(self, position: int) -> None:
        self._immediate.submit(self.jobs[position])


class Written:
    """Where the access log goes."""

    def __init__(self) -> None:
        self.text = b""

    def write(self, lines: bytes) -> None:
        self.text += lines

    def close(self, _seconds: float) -> None:
        """There is nothing to wait for."""


class Client:
    """One client of an application; ``queue`` holds the jobs where the test wants to answer them itself."""

    def __init__(self, *routes: Any, hold: bool = False, pipeline: FakePipeline | None = None, **settings: Any) -> None:
        pipeline = pipeline or FakePipeline()
        dataplane = Dataplane(pipeline)
        router = Router([fake_protocol(*routes)])
        self.app = Application(Settings(**settings), router)
        self.queue = Held(dataplane)
        self.written = Written()
        if self.app.settings.access_log:
            self.access = AccessLog(JSON, self.written, lambda *_: None)  # type: ignore[arg-type]
            self.app.log_access(self.access)
        self.app.open(router, dataplane, self.queue if hold else Immediate(dataplane), "m")
        self._connect()

    def _connect(self) -> None:
        self.transport = FakeTransport()
        self.connection = Connection(self.app)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def another(self) -> Client:
        """Another client of the same application."""
        client = Client.__new__(Client)
        client.app, client.queue = self.app, self.queue
        client._connect()
        return client

    def send(self, *pieces: bytes) -> Client:
        for piece in pieces:
            self.connection.data_received(piece)
        return self

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Of the access log."""
        self.access.write()
        return [json.loads(line) for line in self.written.text.splitlines()]

    def patrol(self, seconds: float) -> None:
        """So many seconds pass."""
        self.connection.patrol(self.app.now + seconds)

    @property
    def responses(self) -> list[tuple[int, dict[str, str], bytes]]:
        """All responses so far: status, header fields, body. Read by another implementation of HTTP than ours."""
        return parse(self.transport.written)

    @property
    def statuses(self) -> list[int]:
        return [status for status, _, _ in self.responses]


def parse(data: bytes, method: str = "POST") -> list[tuple[int, dict[str, str], bytes]]:
    """Responses in a stream of bytes, to requests with one method."""
    responses = []
    while data:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("host", "x"), ("content-length", "0")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(data)
        head = reader.next_event()
        while isinstance(head, h11.InformationalResponse):
            head = reader.next_event()
        assert isinstance(head, h11.Response), head
        body = b""
        while isinstance(event := reader.next_event(), h11.Data):
            body += bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event
        names = {name.decode(): value.decode() for name, value in head.headers}
        responses.append((head.status_code, names, body))
        data = reader.trailing_data[0]
    return responses


def request(
    body: bytes = b"[[1,2,3]]",
    *headers: bytes,
    method: bytes = b"POST",
    target: bytes = b"/predict",
    length: bool = True,
) -> bytes:
    """The bytes of a request."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: test", *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
