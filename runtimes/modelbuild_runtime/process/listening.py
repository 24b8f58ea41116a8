"""One address that is listened on. With TLS, new connections can get another certificate while it goes on."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from typing import Any, Callable, Dict, Optional

from modelbuild_runtime.settings import Settings

_BACKLOG = 2048


class Listening:
    """``connection`` makes what answers each client; ``speaks`` is what it speaks above TLS."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        connection: Callable[[], asyncio.Protocol],
        speaks: str,
        settings: Settings,
    ) -> None:
        self.speaks = speaks
        self._loop = loop
        self._sock = sock
        self._connection = connection
        self._settings = settings
        self._server: Optional[asyncio.AbstractServer] = None

    async def begin(self, context: Optional[ssl.SSLContext] = None) -> None:
        """Listen; once more with another context, which new connections get. No client is turned away meanwhile: both
        listen on the same socket.
        """
        if self._sock.fileno() < 0:  # closed
            return
        sock = self._sock.dup()
        if sock.family == socket.AF_UNIX:
            server = await self._loop.create_unix_server(self._connection, sock=sock, backlog=_BACKLOG)
        else:
            server = await self._loop.create_server(
                self._connection, sock=sock, backlog=_BACKLOG, ssl=context, **self._patience(context)
            )
        before, self._server = self._server, server
        if before is not None:
            before.close()
        if self._sock.fileno() < 0:
            server.close()

    def close(self) -> None:
        """Take no more connections; those that there are stay."""
        self._sock.close()
        if self._server is not None:
            self._server.close()

    def _patience(self, context: Optional[ssl.SSLContext]) -> Dict[str, Any]:
        """How long clients may take to begin and to end TLS. What they still have to read is sent before the end."""
        if context is None:
            return {}
        patience = {"ssl_handshake_timeout": self._settings.read_timeout}
        if type(self._loop).__module__ == "uvloop" or sys.version_info >= (3, 11):
            patience["ssl_shutdown_timeout"] = self._settings.timeout
        return patience
