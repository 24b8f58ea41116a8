"""Calls of gRPC's methods to a whole server but for its sockets and the transport."""

from __future__ import annotations

from collections import deque
from typing import Any

from contract.wires import Server
from modelbuild_runtime.grpc import status
from modelbuild_runtime.http.message import HttpResponse


class Caller:
    """What the application needs of a connection."""

    def __init__(self, server: Server) -> None:
        self.pending: deque[Any] = deque()
        self._app = server._app
        self._responses: list[HttpResponse] = []

    def call(self, method: str, message: bytes) -> HttpResponse:
        """One message to "package.Service/Method"."""
        head = self._app.routes.head(b"GRPC", f"/{method}".encode(), {}, "2", keep_alive=True)
        self._app.accept(self, head, message)  # type: ignore[arg-type]
        self.pending.clear()
        return self._responses.pop()

    def keep(self, _size: int) -> None: ...

    def deliver(self, _exchange: Any, response: HttpResponse) -> None:
        self._responses.append(response)


def code(response: HttpResponse) -> int:
    """The code of gRPC that a response ends with."""
    return int(dict(response.headers).get(status.STATUS, status.OK))


def words(response: HttpResponse) -> str:
    """What it says of a failure, as far as that needs no escape."""
    return dict(response.headers).get(status.MESSAGE, "")
