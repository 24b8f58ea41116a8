"""What goes on in one connection over HTTP/2: calls come out of its frames, side by side, and are kept apart from each
other by windows, limits, and patience that ends.

Source: RFC 9113, sections 5 and 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Iterator, Optional, Tuple, Union

from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.call import Call, Calls
from modelbuild_runtime.grpc.frame_reader import LARGEST_FRAME
from modelbuild_runtime.grpc.frames import StreamViolation, Violation
from modelbuild_runtime.grpc.header_block import check_trailers, status
from modelbuild_runtime.grpc.holding import Holding
from modelbuild_runtime.grpc.incoming import FIRST_CREDIT, Incoming
from modelbuild_runtime.grpc.message_reader import MessageReader
from modelbuild_runtime.grpc.outgoing import Outgoing
from modelbuild_runtime.grpc.room import Room
from modelbuild_runtime.grpc.stream import Stream

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application
    from modelbuild_runtime.http.routes import Routes

_CREDIT = 1 << 24
"""Bytes that a client may send on all streams together before it is told to go on."""
_MOST_STREAMS = 1024
_PATIENCE = 1000
"""Frames that ask for nothing and cost something: so many are borne."""
_FORGIVEN = 500
"""How many of them are forgotten a second."""
_ACKNOWLEDGED = 4
"""How many of them one written frame is worth."""
_MOST_CUT = 256


class Session:
    """``room`` is what the client lets us send; ``last`` is the newest of its streams. ``leaving``: ``close`` is called
    when the last stream ends, and new ones are turned away.
    """

    __slots__ = (
        "_calls",
        "_close",
        "_credit",
        "_cut",
        "_patience",
        "_told",
        "app",
        "holding",
        "last",
        "leaving",
        "room",
        "streams",
        "write",
    )

    def __init__(self, app: Application, routes: Routes, close: Callable[[], None]) -> None:
        self.app = app
        self.holding = Holding(app)
        self.streams: Dict[int, Stream] = {}
        self.room = Room(self.streams)
        self.last = 0
        self.leaving = False
        self.write: Callable[[Union[bytes, memoryview]], None]
        self._calls = Calls(app, routes)
        self._close = close
        self._credit = _CREDIT
        self._cut: Dict[int, None] = {}  # streams that we ended, which the client may not know yet
        self._patience = _PATIENCE
        self._told = False  # asked to open no more streams

    def greet(self) -> None:
        """Our settings are the answer to the client's preface."""
        self.write(
            frames.settings(
                (frames.MAX_CONCURRENT_STREAMS, _MOST_STREAMS),
                (frames.INITIAL_WINDOW_SIZE, FIRST_CREDIT),
                (frames.MAX_FRAME_SIZE, LARGEST_FRAME),
                (frames.MAX_HEADER_LIST_SIZE, self.app.settings.max_head),
            )
            + frames.window_update(0, _CREDIT - frames.DEFAULT_WINDOW)
        )

    def leave(self, message: str = "") -> None:
        """Take no more calls, and close as soon as none is on its way."""
        self.leaving = True
        self.write(frames.goaway(self.last, frames.NO_ERROR, message))
        self.close_if_done()

    def drain(self, *, greeted: bool) -> None:
        """The server stops: take no more calls, and close as soon as none is on its way."""
        self.leaving = True
        if greeted:
            self.write(frames.goaway(self.last, frames.NO_ERROR, "the server stops"))
        for stream in tuple(self.streams.values()):
            stream.leave()
        self.close_if_done()

    def forgive(self) -> None:
        """Called about once a second: what a client does seldom is borne for ever."""
        self._patience = min(self._patience + _FORGIVEN, _PATIENCE)

    def patrol(self, now: float) -> None:
        """Called about once a second: part with calls that are too slow."""
        for stream in tuple(self.streams.values()):
            stream.patrol(now)
        if self.app.draining:
            self._last_call()

    def wrote(self) -> None:
        """A frame, which the client may acknowledge: C++ clients do so for the connection once and for the stream up to
        twice, however little it was.
        """
        self._patience = min(self._patience + _ACKNOWLEDGED, _PATIENCE)

    def close_if_done(self) -> None:
        """Where no call is on its way any more, and none is taken."""
        if self.leaving and not self.streams:
            self._close()

    def give_up(self) -> None:
        """Nobody waits any more."""
        for stream in self.streams.values():
            stream.cancel()
        self.streams.clear()
        self.room.blocked.clear()

    # Of streams

    def close_stream(self, stream: Stream) -> None:
        """All of an answer is written."""
        self._forget(stream.id)
        self.wrote()
        if not stream.ended:
            self.write(frames.rst_stream(stream.id, frames.NO_ERROR))
            self._remember(stream.id)
        if self.app.draining:
            self._last_call()
        self.close_if_done()

    def reset(self, stream: Stream, code: int) -> None:
        """Break a stream off."""
        stream.cancel()
        self._forget(stream.id)
        self._remember(stream.id)
        self.write(frames.rst_stream(stream.id, code))
        self.close_if_done()

    # What the client sends: see ``Receiver``

    def on_data(self, stream: int, payload: bytes, size: int, *, ended: bool) -> None:
        self._credit -= size
        if self._credit < 0:
            raise Violation(frames.FLOW_CONTROL_ERROR, "more was sent than the connection's window allows")
        if self._credit < _CREDIT // 2:
            self.write(frames.window_update(0, _CREDIT - self._credit))
            self._credit = _CREDIT
        found = self.streams.get(stream)
        if found is None or found.ended:
            self._late(stream, found)
            return
        incoming = found.incoming
        incoming.credit -= size
        try:
            if incoming.credit < 0:
                raise StreamViolation(frames.FLOW_CONTROL_ERROR)  # noqa: TRY301  # all violations alike
            found.receive(payload, ended=ended)
        except StreamViolation as violation:
            self._break_off(found, violation.code)

    def on_headers(self, stream: int, block: bytes, *, ended: bool) -> None:
        if stream > self.last:
            self.last = stream
            try:
                self._open(stream, self._calls.read(block), ended=ended)
            except StreamViolation as violation:
                if stream in self.streams:
                    self._break_off(self.streams[stream], violation.code)
                else:
                    self._turn_away(stream, violation.code)
            return
        fields = self._calls.fields(block)  # whatever becomes of them, later blocks build on this one
        found = self.streams.get(stream)
        if found is None:
            if stream not in self._cut:
                raise Violation(frames.STREAM_CLOSED, "that stream is closed")
            self.on_idle_frame()
            return
        try:
            if not ended or found.ended:
                raise StreamViolation(frames.STREAM_CLOSED if found.ended else frames.PROTOCOL_ERROR)  # noqa: TRY301
            check_trailers(fields)
            found.receive(b"", ended=True)
        except StreamViolation as violation:
            self._break_off(found, violation.code)

    def on_reset(self, stream: int) -> None:
        self._must_exist(stream)
        self.on_idle_frame()
        found = self.streams.get(stream)
        if found is not None:
            found.cancel()
            self._forget(stream)
            self.close_if_done()

    def on_settings(self, pairs: Iterator[Tuple[int, int]]) -> None:
        self.room.settle(pairs)
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self.room.go_on()

    def on_ping(self, payload: bytes) -> None:
        self.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def on_goaway(self) -> None:
        self.leaving = True
        self.close_if_done()

    def on_window(self, stream: int, increment: int) -> None:
        self.on_idle_frame()  # of which as many are forgiven as much is written
        if not stream:
            self.room.widen(increment)
            return
        self._must_exist(stream)
        found = self.streams.get(stream)
        if found is None:
            return
        found.out.window += increment
        if not increment or found.out.window > frames.LARGEST_WINDOW:
            self._break_off(found, frames.FLOW_CONTROL_ERROR if increment else frames.PROTOCOL_ERROR)
        elif stream in self.room.blocked:
            del self.room.blocked[stream]
            found.more()

    def on_idle_frame(self) -> None:
        self._patience -= 1
        if self._patience < 0:
            raise Violation(frames.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    # Inside

    def _open(self, stream: int, call: Call, *, ended: bool) -> None:
        if self.leaving or len(self.streams) >= _MOST_STREAMS:
            self._turn_away(stream, frames.REFUSED_STREAM)
        elif call.refused:
            self.write(frames.headers(stream, status(call.refused), frames.END_STREAM, self.room.largest_frame))
            self._turn_away(stream, frames.NO_ERROR)
        else:
            now, messages = self.app.now, MessageReader(self.app.settings.max_body)
            incoming = Incoming(self, stream, call, messages, now)
            out = Outgoing(self, stream, self.room.first_window, now)
            self.streams[stream] = found = Stream(self, stream, call, incoming, out)
            found.ended = ended
            found.begin()
            if ended:
                found.receive(b"", ended=True)

    def _break_off(self, stream: Stream, code: int) -> None:
        """What the client did ends its stream: no better than a reset of its own."""
        self.reset(stream, code)
        self.on_idle_frame()

    def _turn_away(self, stream: int, code: int) -> None:
        self.write(frames.rst_stream(stream, code))
        self._remember(stream)
        self.on_idle_frame()

    def _late(self, stream: int, found: Optional[Stream]) -> None:
        """Data for a stream that takes no more."""
        self._must_exist(stream)
        if found is not None:
            self._break_off(found, frames.STREAM_CLOSED)
        elif stream not in self._cut:
            self._turn_away(stream, frames.STREAM_CLOSED)

    def _must_exist(self, stream: int) -> None:
        if stream > self.last or not stream & 1:
            raise Violation(frames.PROTOCOL_ERROR, "there is no such stream")

    def _forget(self, stream: int) -> None:
        self.streams.pop(stream, None)
        self.room.blocked.pop(stream, None)

    def _remember(self, stream: int) -> None:
        cut = self._cut
        cut[stream] = None
        if len(cut) > _MOST_CUT:
            del cut[next(iter(cut))]

    def _last_call(self) -> None:
        """Ask for no more calls, a while before those that come are turned away."""
        if not self._told and not self.leaving:
            self._told = True
            self.write(frames.goaway(frames.LARGEST_WINDOW, frames.NO_ERROR, "the server stops"))
