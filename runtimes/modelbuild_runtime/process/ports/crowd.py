"""How many connections are let in, whatever they speak. Those beyond may ask how the server is, once and at once: what
watches it must not take it for dead because many ask.
"""

from __future__ import annotations

import logging
import resource
import socket
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Callable, Deque, Optional, Protocol, Tuple, TypeVar

from modelbuild_runtime.http.application import Application, Connected
from modelbuild_runtime.http.routes import Routes
from modelbuild_runtime.process.host import memory
from modelbuild_runtime.process.ports.listeners import listeners
from modelbuild_runtime.process.requests.closed import closed_router
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

Client = TypeVar("Client", bound=Connected)
Made_co = TypeVar("Made_co", covariant=True)

_FILES = 128
"""Of the files that a process may open, those for other things: the model's, the log, sockets to listen on. Of these
there are more with several workers, since each holds those of all.
"""
_MEMORY = 32 << 10
"""Bytes that a connection may take before anything of it is counted: its objects, a head, the beginning of a body."""
_SHARE = 8
"""The part of the memory for that."""
_MOST, _LEAST = 16384, 64
_SPARE = 64
"""Connections beyond the most that are there at the same time. With one more the oldest of them ends."""
_MOMENT, _AT_ONCE = 2.0, 5.0
"""Seconds after which one beyond the most is told to end, and after which it is ended."""
_QUIET = 10.0
"""Seconds between two lines of the log that say so."""


def most(settings: Settings) -> int:
    """Connections that one worker lets in. With several workers the supervisor keeps all of theirs as well."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = limit if limit != resource.RLIM_INFINITY else 1 << 20
    doors = 0 if settings.workers == 1 else settings.workers * (1 + len(listeners(settings)))
    files = (open_files - _FILES - doors) // settings.workers - _SPARE
    if settings.max_connections:
        if settings.max_connections > files:
            logger.warning("MBUILD_MAX_CONNECTIONS is more than the limit of open files allows: %d", files)
        return max(1, min(settings.max_connections, files))
    allowed = memory.limit()
    room = _MOST if allowed is None else allowed // _SHARE // _MEMORY // settings.workers
    return max(_LEAST, min(_MOST, files, room))


class Entrance(Protocol[Made_co]):
    """Makes a connection; ``sock`` is its socket, where TLS begins only after that."""

    def __call__(self, sock: Optional[socket.socket] = None, /) -> Made_co: ...


class Crowd:
    """At the door of one application. ``routes`` are for those beyond the most."""

    def __init__(self, app: Application, settings: Settings) -> None:
        self._app = app
        self.routes = Routes(closed_router(), {}, crowded=True)
        self._most = most(settings)
        self._handshake = settings.read_timeout + 1
        self._beyond: Deque[Tuple[float, Connected, Optional[socket.socket]]] = deque()
        self._told = -_QUIET

    def door(self, make: Callable[[Routes], Client], routes: Routes) -> Entrance[Client]:
        """What makes the connections of one listener: with its routes, or with those for who is beyond the most. It is
        told of the socket where TLS is begun on it.
        """
        app, coming = self._app, self._app.coming

        def enter(sock: Optional[socket.socket] = None) -> Client:
            crowded = len(app.connections) + len(coming) >= self._most
            connection = make(self.routes if crowded else routes)
            if crowded:
                self._beyond_the_most(connection, sock)
            coming[connection] = app.now
            return connection

        return enter

    def patrol(self, now: float) -> None:
        """Called about once a second."""
        coming = self._app.coming
        for connection in [one for one, since in coming.items() if now - since > self._handshake]:
            del coming[connection]  # it went before it was made, of which nobody is told
        while self._beyond and now - self._beyond[0][0] > _AT_ONCE:
            self._end(*self._beyond.popleft()[1:])
        for since, connection, _ in self._beyond:
            if now - since > _MOMENT and connection in self._app.connections:
                connection.drain()

    def _beyond_the_most(self, connection: Connected, sock: Optional[socket.socket]) -> None:
        now = monotonic()
        self._beyond.append((now, connection, sock))
        while len(self._beyond) > _SPARE and self._can_end(*self._beyond[0][1:]):
            self._end(*self._beyond.popleft()[1:])
        if now - self._told > _QUIET:
            self._told = now
            logger.warning("there are %d connections, and no more are answered", self._most)

    def _can_end(self, connection: Connected, sock: Optional[socket.socket]) -> bool:
        """Not one that was accepted a moment ago, and is not made yet."""
        return sock is not None or connection not in self._app.coming

    def _end(self, connection: Connected, sock: Optional[socket.socket]) -> None:
        if connection in self._app.connections:
            connection.abort()
        elif sock is not None and self._app.coming.pop(connection, None) is not None:  # amid the handshake
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
