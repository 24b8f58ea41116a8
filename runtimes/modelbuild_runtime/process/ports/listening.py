"""One address that is listened on. With TLS, new connections can get another certificate while it goes on."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from typing import Any, Dict, Optional, Set

from modelbuild_runtime.process.ports.crowd import Entrance
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_AT_ONCE = 64
"""Clients that are accepted before the loop does something else."""
_REST = 0.1
"""Seconds without looking for clients, after one could not be accepted: no file is free, say."""


class Listening:
    """``connection`` makes what answers each client, and notes it among those who are ``coming``; ``speaks`` is what it
    speaks above TLS.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        connection: Entrance[asyncio.Protocol],
        speaks: str,
        settings: Settings,
        coming: Dict[Any, float],
    ) -> None:
        self.speaks = speaks
        self._loop = loop
        self._sock = sock
        self._connection = connection
        self._settings = settings
        self._coming = coming
        self._server: Optional[asyncio.AbstractServer] = None
        self._context: Optional[ssl.SSLContext] = None
        self._shaking: Set[asyncio.Task[None]] = set()

    async def begin(self, context: Optional[ssl.SSLContext] = None) -> None:
        """Listen; once more with another context, which new connections get."""
        if self._sock.fileno() < 0:  # closed
            return
        if context is not None:
            before, self._context = self._context, context
            if before is None:
                self._sock.listen(_BACKLOG)
                self._loop.add_reader(self._sock, self._accept)
        elif self._sock.family == socket.AF_UNIX:
            self._server = await self._loop.create_unix_server(self._connection, sock=self._sock, backlog=_BACKLOG)
        else:
            self._server = await self._loop.create_server(self._connection, sock=self._sock, backlog=_BACKLOG)

    def close(self) -> None:
        """Take no more connections; those that there are stay."""
        if self._context is not None and self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
        self._sock.close()
        if self._server is not None:
            self._server.close()

    # With TLS: the loop's own server would tell nobody of clients whose handshake has no end

    def _accept(self) -> None:
        """Take those who wait."""
        for _ in range(_AT_ONCE):
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.warning("a client cannot be accepted: %s", error.strerror)
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_REST, self._look_again)
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._shake_hands(sock, self._connection(sock)))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    def _look_again(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._accept)

    async def _shake_hands(self, sock: socket.socket, connection: asyncio.Protocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=self._context, **self._patience())
        except (OSError, asyncio.TimeoutError):  # it speaks no TLS, or goes: nobody is left to be told
            self._coming.pop(connection, None)
            sock.close()

    def _patience(self) -> Dict[str, Any]:
        """How long clients may take to begin and to end TLS. What they still have to read is sent before the end."""
        patience = {"ssl_handshake_timeout": self._settings.read_timeout}
        if type(self._loop).__module__ == "uvloop" or sys.version_info >= (3, 11):
            patience["ssl_shutdown_timeout"] = self._settings.timeout
        return patience
