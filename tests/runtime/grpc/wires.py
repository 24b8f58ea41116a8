"""A connection without a network, whose other end is another implementation of HTTP/2 than ours: h2."""

from __future__ import annotations

import struct
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack
import msgspec

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.changes import Changes
from modelbuild_runtime.grpc.connection import Connection
from modelbuild_runtime.grpc.status import grpc_error
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.models.replay import Immediate
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.protocols import Prediction, Protocol, Route
from modelbuild_runtime.request import Request, Response, Rows
from modelbuild_runtime.settings import Settings
from runtime.fakes import FakePipeline
from runtime.wires import FakeTransport, Held

HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/fake.Service/Predict"),
    (":authority", "here"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
MESSAGE = b"[[1,2,3]]"


def message(body: bytes = MESSAGE, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(body)) + body


def headers(**others: str) -> list[tuple[str, str]]:
    """Those of a call; names with _ for -, and ``path``, ``method`` for the pseudo-headers."""
    named = dict(HEADERS)
    for name, value in others.items():
        named[f":{name}" if name in {"path", "method", "scheme"} else name.replace("_", "-")] = value
    return [(name, value) for name, value in named.items() if value != ""]


def fake_service(state: list[bytes]) -> Protocol:
    """Methods of every kind; ``state`` holds the message that Watch sends."""

    def decode(http: HttpRequest) -> Request:
        return Request(Rows(msgspec.json.decode(http.body)))

    def encode(_http: HttpRequest, _request: Request, response: Response) -> HttpResponse:
        assert response.columns is not None
        return HttpResponse(200, msgspec.json.encode(response.columns["y"].tolist()))

    def echo(http: HttpRequest) -> HttpResponse:
        kept = tuple((name.decode(), value.decode()) for name, value in http.headers.items() if name.startswith(b"x-"))
        return HttpResponse(200, bytes(http.body), headers=kept)

    def parts(http: HttpRequest) -> HttpResponse:
        def made() -> Any:
            for number in range(3):
                if http.body == b"fail" and number == 2:
                    raise InvalidInput("no third")
                yield b"%d" % number

        return HttpResponse(200, parts=made())

    def watch(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, parts=Changes(lambda: state[0]))

    def error(http: HttpRequest, failure: Any) -> HttpResponse:
        if http.path.endswith("Chat"):
            return HttpResponse(failure.status, b"error: " + failure.message.encode(), "application/grpc")
        return grpc_error(http, failure)

    prediction = Prediction(decode, encode)
    routes = (
        Route("GRPC", "/fake.Service/Predict", prediction),
        Route("GRPC", "/fake.Service/Echo", echo),
        Route("GRPC", "/fake.Service/Missing", lambda _: HttpResponse(404, b'{"error":"x"}')),
        Route("GRPC", "/fake.Service/Parts", parts),
        Route("GRPC", "/fake.Service/Watch", watch),
        Route("GRPC", "/fake.Service/Chat", prediction, many=True),
        Route("GRPC", "/fake.Service/Echoes", echo, many=True),
        Route("GRPC", "/fake.Service/Lists", parts, many=True),
    )
    return Protocol("fake", "fake", routes, error)


class Client:
    """One client; ``queue`` holds the jobs where the test answers them itself."""

    def __init__(self, *, hold: bool = False, opened: bool = True, **settings: Any) -> None:
        dataplane = Dataplane(FakePipeline())
        self.state = [b"up"]
        router = Router([fake_service(self.state)])
        self.app = Application(Settings(**settings), router if opened else Router([]))
        self.queue = Held(dataplane)
        if opened:
            self.app.open(router, dataplane, self.queue if hold else Immediate(dataplane), "m")
        self._connect()

    def another(self) -> Client:
        """Another client of the same application."""
        client = Client.__new__(Client)
        client.app, client.queue, client.state = self.app, self.queue, self.state
        client._connect()
        return client

    def _connect(self) -> None:
        self.transport = FakeTransport()
        self.connection = Connection(self.app, self.app.routes)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events: list[Any] = []
        self.goaways: list[int] = []
        self.acknowledge = True
        self.exchange()

    def exchange(self) -> None:
        """Send what h2 has to send, and let it read what is answered, until both are quiet."""
        while True:
            sent = self.h2.data_to_send()
            if sent:
                self.connection.data_received(sent)
            answered, self.transport.written = self.transport.written, b""
            for event in self.h2.receive_data(self._without_goaway(answered)):
                self.events.append(event)
                if isinstance(event, h2.events.DataReceived) and self.acknowledge:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if not answered and not sent:
                return

    def _without_goaway(self, data: bytes) -> bytes:
        """h2 takes the first GOAWAY for the end of everything, though calls that have begun go on."""
        kept = b""
        while data:
            word, _, _ = frames.read_head(data)
            frame, data = data[: 9 + (word >> 8)], data[9 + (word >> 8) :]
            if word & 0xFF == frames.GOAWAY:
                self.goaways.append(frames.read_word(frame, 13)[0])
            else:
                kept += frame
        return kept

    def open(self, *, end: bool = False, **fields: str) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers(**fields), end_stream=end)
        self.exchange()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes of messages, as far as the windows allow and then again."""
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            self.h2.send_data(stream, data[:room], end_stream=end and len(data) <= room)
            self.exchange()
            data = data[room:]
            if not data:
                return

    def call(self, body: bytes = MESSAGE, **fields: str) -> Answer:
        stream = self.open(**fields)
        self.send(stream, message(body), end=True)
        return self.answer(stream)

    def answer(self, stream: int) -> Answer:
        return Answer([event for event in self.events if getattr(event, "stream_id", None) == stream])

    def patrol(self, seconds: float) -> None:
        """So many seconds pass."""
        self.connection.patrol(self.app.now + seconds)
        self.exchange()

    @property
    def goaway(self) -> Any:
        """The code of the last GOAWAY, None before any."""
        return self.goaways[-1] if self.goaways else None


class Peer:
    """The other end by hand, for what h2 would not send: it has said hello, and nothing else."""

    def __init__(self, client: Client, *, greeted: bool = True) -> None:
        self.app, self.queue = client.app, client.queue
        self.transport = FakeTransport()
        self.connection = Connection(self.app, self.app.routes)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        if greeted:
            self.send(frames.PREFACE + frames.settings())

    def send(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each frame that is the answer."""
        self.connection.data_received(data)
        return self.read()

    def read(self) -> list[tuple[int, int, int, bytes]]:
        written, self.transport.written = self.transport.written, b""
        return read_frames(written)


def read_frames(written: bytes) -> list[tuple[int, int, int, bytes]]:
    """Kind, flags, stream and payload of each frame."""
    found = []
    while written:
        word, flags, stream = frames.read_head(written)
        end = 9 + (word >> 8)
        found.append((word & 0xFF, flags, stream, written[9:end]))
        written = written[end:]
    return found


def goaway(answered: list[tuple[int, int, int, bytes]]) -> int | None:
    """The code of a GOAWAY among the frames."""
    return next((frames.read_word(payload, 4)[0] for kind, _, _, payload in answered if kind == frames.GOAWAY), None)


class Answer:
    """What came on one stream."""

    def __init__(self, events: list[Any]) -> None:
        heads = [event for event in events if isinstance(event, h2.events.ResponseReceived)]
        ends = [event for event in events if isinstance(event, h2.events.TrailersReceived)]
        data = b"".join(event.data for event in events if isinstance(event, h2.events.DataReceived))
        self.headers = dict(heads[0].headers) if heads else {}
        self.trailers = dict(ends[0].headers) if ends else {}
        self.messages = []
        while data:
            flag, size = struct.unpack_from(">BI", data)
            assert flag == 0
            self.messages.append(data[5 : 5 + size])
            data = data[5 + size :]
        resets = [event.error_code for event in events if isinstance(event, h2.events.StreamReset)]
        self.reset = resets[0] if resets else None
        self.ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
        told = {**self.headers, **self.trailers}
        self.status = int(told["grpc-status"]) if "grpc-status" in told else None
        self.words = told.get("grpc-message", "")


def block(**fields: str) -> bytes:
    """A header block that needs no state."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(headers(**fields)))[1:]  # without the change of the table's size


def opening(stream: int = 1, flags: int = frames.END_HEADERS, **fields: str) -> bytes:
    return frames.frame(frames.HEADERS, flags, stream, block(**fields))


def check_survival(peer: Peer, data: bytes, size: int) -> None:
    """Bytes in pieces of a size, and then the client's silence: nothing of them is kept when it has gone."""
    for at in range(0, len(data), size):
        if not peer.transport.closed:
            peer.send(data[at : at + size])
    for seconds in (1, 20, 100, 700):
        if not peer.transport.closed:
            peer.connection.patrol(peer.app.now + seconds)
    peer.connection.connection_lost(None)
    assert peer.app.held == 0
    assert peer.app.in_flight == 0
    assert not peer.connection.session.streams
