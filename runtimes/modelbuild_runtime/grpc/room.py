"""What the client lets us send, as its settings and window updates say, and which streams wait for more.

Source: RFC 9113, sections 5.2 and 6.5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Iterator, Tuple

from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.frames import Violation

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.stream import Stream

_MOST_WRITTEN = 1 << 18
"""Bytes of the largest frame that is written, whatever the client takes."""


class Room:
    """``window``, ``largest_frame`` and ``first_window`` are bytes: in all, at once, and on a new stream. ``blocked``
    are the streams that wait, in their order; ``paused``: the client does not read. ``streams`` are all, by their ids.
    """

    __slots__ = ("_streams", "blocked", "first_window", "largest_frame", "paused", "window")

    def __init__(self, streams: Dict[int, Stream]) -> None:
        self._streams = streams
        self.blocked: Dict[int, None] = {}
        self.window = self.first_window = frames.DEFAULT_WINDOW
        self.largest_frame = frames.DEFAULT_FRAME
        self.paused = False

    def settle(self, pairs: Iterator[Tuple[int, int]]) -> None:
        """The client's settings.

        Raises:
            Violation: one of them is out of its bounds.
        """
        first_window = self.first_window
        for name, value in pairs:
            if name == frames.INITIAL_WINDOW_SIZE:
                first_window = value  # the last counts: each would concern all streams
                if value > frames.LARGEST_WINDOW:
                    raise Violation(frames.FLOW_CONTROL_ERROR, "a window is too large")
            elif name == frames.MAX_FRAME_SIZE:
                if not frames.DEFAULT_FRAME <= value <= frames.LARGEST_FRAME:
                    raise Violation(frames.PROTOCOL_ERROR, "no frames have that size")
                self.largest_frame = min(value, _MOST_WRITTEN)
            elif name == frames.ENABLE_PUSH and value > 1:
                raise Violation(frames.PROTOCOL_ERROR, "push is on or off")
        if first_window != self.first_window:
            self._set_first_window(first_window)

    def widen(self, increment: int) -> None:
        """The client takes so many bytes more, on all streams together.

        Raises:
            Violation: no window grows like that.
        """
        if not increment:
            raise Violation(frames.PROTOCOL_ERROR, "the window grows by nothing")
        self.window += increment
        if self.window > frames.LARGEST_WINDOW:
            raise Violation(frames.FLOW_CONTROL_ERROR, "the window is too large")
        self.go_on()

    def go_on(self) -> None:
        """Write what has waited, the streams in turn: whoever has written waits behind the others."""
        for stream in tuple(self.blocked):
            if self.window <= 0 or self.paused:
                return
            self.blocked.pop(stream, None)
            found = self._streams.get(stream)
            if found is not None:
                found.more()

    def _set_first_window(self, size: int) -> None:
        more, self.first_window = size - self.first_window, size
        for stream in self._streams.values():
            stream.out.window += more
        if max([size, *(stream.out.window for stream in self._streams.values())]) > frames.LARGEST_WINDOW:
            raise Violation(frames.FLOW_CONTROL_ERROR, "a window is too large")
