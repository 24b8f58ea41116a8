"""An answer in parts: each is a message. Most have an end, and are made by the model; one that tells of changes goes on
for as long as the client listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Optional

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.grpc.changes import Changes
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.pump import Pump

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.stream import Stream


class Parts:
    """Those of one answer, to ``exchange``, in which a stream is. For who makes them it is a ``Sink``."""

    __slots__ = ("_changes", "_pump", "_stream", "exchange")

    def __init__(self, stream: Stream, exchange: Exchange, parts: Iterator[bytes]) -> None:
        self.exchange = exchange
        self._stream = stream
        self._pump: Optional[Pump] = None
        self._changes: Optional[Changes] = None
        if isinstance(parts, Changes):
            self._changes = parts
        else:
            exchange.pump = self._pump = Pump(exchange.id, exchange.trace, parts, exchange.served.resume, self)

    @property
    def endless(self) -> bool:
        """Only the client ends it."""
        return self._changes is not None

    def more(self) -> None:
        """Go on, or tell what has changed."""
        if self._pump is not None:
            self._pump.more()
            return
        message = self._changes.new() if self._changes is not None else None
        if message is not None:
            self._stream.write(message)

    def stop(self) -> None:
        """No more are wanted."""
        if self._pump is not None:
            self._pump.stop()

    # See ``Sink``

    @property
    def takes_parts(self) -> bool:
        return self._stream.takes_more

    def write_part(self, part: bytes) -> None:
        self._stream.write(part)

    def end_parts(self) -> None:
        self._stream.end_parts()

    def abort_parts(self, error: ServerError) -> None:
        self._stream.abort_parts(error)
