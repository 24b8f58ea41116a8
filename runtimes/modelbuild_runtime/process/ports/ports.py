"""All that one process listens on: its own addresses, and those of workers that are missing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.routes import Routes
from modelbuild_runtime.process.ports.crowd import Crowd, Entrance
from modelbuild_runtime.process.ports.listeners import GRPC, HEALTH, MANAGEMENT, Listener, listeners, router
from modelbuild_runtime.process.ports.listening import Listening
from modelbuild_runtime.process.requests.closed import closed_router
from modelbuild_runtime.protocols import Spoken
from modelbuild_runtime.security.certificates import HTTP, HTTP2, certificates
from modelbuild_runtime.security.keys import Keys
from modelbuild_runtime.settings import Settings

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.connection import Connection as GrpcConnection
    from modelbuild_runtime.process.requests.app import Application
    from modelbuild_runtime.process.workers.doors import Doors


class Ports:
    """Of one application. ``keys`` are those of who asks its models."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, app: Application, settings: Settings, keys: Optional[Keys]
    ) -> None:
        self._loop = loop
        self._app = app
        self._settings = settings
        self._keys = keys
        self._certificates = certificates(settings)
        self._routes = {listener: self._closed(listener) for listener in listeners(settings)}
        self._health = Routes(closed_router(), {})
        self._crowd = Crowd(app, settings)
        self._listening: List[Listening] = []
        self._doors: Optional[Doors] = None
        self._slot = 0
        self._standing_in: Dict[int, List[Listening]] = {}
        self._beginning: Optional[asyncio.Task[None]] = None
        self._renewal: Optional[asyncio.Task[None]] = None

    async def listen(
        self, sock: socket.socket, more: Sequence[Tuple[Listener, socket.socket]], health: Optional[socket.socket]
    ) -> None:
        """On a bound socket and on ``more`` beside it; on ``health``, without TLS, only how the server is is told."""
        found = self._at(sock, more)
        if health is not None:
            found.append(self._listening_on(health, lambda *_: Connection(self._app, self._health), ""))
        await self._begin(found)

    def attend(self, doors: Doors, slot: int) -> None:
        """Who listens at the door of a slot does so at others' when nobody else does."""
        doors.attend(slot)
        self._doors, self._slot = doors, slot

    def open(self, protocols: Sequence[Spoken]) -> None:
        """A model is there: each port answers what it speaks."""
        for listener, routes in self._routes.items():
            routes.open(router(protocols, listener.speaks))
        for public in (self._health, self._crowd.routes):
            public.open(router(protocols, HEALTH))

    def forget(self) -> None:
        """What was remembered of heads may lead elsewhere."""
        for routes in self._routes.values():
            routes.forget()

    def patrol(self) -> None:
        """Called about once a second."""
        self._crowd.patrol(self._app.now)
        if self._doors is not None and not self._app.draining:
            self._stand_in(self._doors)
        if self._certificates is not None and self._certificates.renewed():
            self._renewal = self._loop.create_task(self._begin_anew())

    def close(self) -> None:
        """Take no more connections; those that there are stay."""
        for listening in self._listening:
            listening.close()
        if self._doors is not None:
            self._doors.leave(self._slot)
            self._doors.close()

    def _closed(self, listener: Listener) -> Routes:
        """Who manages models asks this server of them, and not the models; and has a key of another kind."""
        if listener.speaks == MANAGEMENT:
            return Routes(closed_router(), {}, Keys([listener.token], said="MBUILD_MANAGEMENT_TOKEN"))
        return Routes(closed_router(), self._app.others, self._keys)

    def _at(self, sock: socket.socket, more: Sequence[Tuple[Listener, socket.socket]]) -> List[Listening]:
        """What listens on the main socket and those beside it."""
        main = self._crowd.door(partial(Connection, self._app), self._app.routes)
        made = [self._listening_on(sock, main, HTTP)]
        for listener, bound in more:
            routes = self._routes[listener]
            if listener.speaks == GRPC:
                made.append(self._listening_on(bound, self._crowd.door(self._speak_grpc, routes), HTTP2))
            else:
                made.append(self._listening_on(bound, self._crowd.door(partial(Connection, self._app), routes), HTTP))
        return made

    def _speak_grpc(self, routes: Routes) -> GrpcConnection:
        """Most servers are never asked so: what it takes is imported with the first connection."""
        from modelbuild_runtime.grpc import connection

        return connection.Connection(self._app, routes)

    def _listening_on(self, sock: socket.socket, entrance: Entrance[asyncio.Protocol], speaks: str) -> Listening:
        return Listening(self._loop, sock, entrance, speaks, self._settings, self._app.coming)

    async def _begin(self, found: Sequence[Listening]) -> None:
        self._listening += found
        for listening in found:
            await listening.begin(self._context(listening.speaks))

    async def _begin_anew(self) -> None:
        """With the certificate that there is now."""
        for listening in self._listening:
            if listening.speaks:
                await listening.begin(self._context(listening.speaks))

    def _context(self, speaks: str) -> Optional[ssl.SSLContext]:
        return self._certificates.context(speaks) if self._certificates is not None and speaks else None

    def _stand_in(self, doors: Doors) -> None:
        """Listen where a worker is missing, until there is another."""
        left = doors.left()
        for slot in left - self._standing_in.keys():
            self._standing_in[slot] = found = self._at(*doors.of(slot))
            self._beginning = self._loop.create_task(self._begin(found))
        for slot in self._standing_in.keys() - left:
            for listening in self._standing_in.pop(slot):
                listening.close()
                self._listening.remove(listening)
