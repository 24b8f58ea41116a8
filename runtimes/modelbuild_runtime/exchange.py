"""One request on its way to its response. It waits in its connection's line, and in the batcher's queue as a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Hashable, Optional

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http import HttpRequest
from modelbuild_runtime.request import Request, Response

if TYPE_CHECKING:
    from modelbuild_runtime.app import Application
    from modelbuild_runtime.connection import Connection
    from modelbuild_runtime.protocols import Protocol
    from modelbuild_runtime.router import Bound


class Exchange:
    """``protocol`` is the one whose shape errors take, None for our own. ``data`` are the bytes of the response, once
    there is one. ``cancelled``: nobody waits for it any more.
    """

    __slots__ = (
        "app",
        "bound",
        "cancelled",
        "connection",
        "count",
        "data",
        "deadline",
        "http",
        "id",
        "inputs",
        "keep_alive",
        "key",
        "protocol",
        "queued",
        "request",
        "version",
    )

    def __init__(
        self,
        app: Application,
        connection: Connection,
        http: HttpRequest,
        protocol: Optional[Protocol],
        keep_alive: bool,
        version: str,
    ) -> None:
        self.app = app
        self.connection = connection
        self.http = http
        self.id = http.id
        self.keep_alive = keep_alive
        self.version = version
        self.protocol = protocol
        self.bound: Optional[Bound] = None
        self.data: Optional[bytes] = None
        self.cancelled = False
        self.request: Request
        self.inputs: Any
        self.count: int
        self.key: Hashable
        self.deadline: float
        self.queued: float

    def answer(self, response: Response) -> None:
        """The prediction is made."""
        self.app.encode(self, response)

    def fail(self, error: ServerError) -> None:
        """The prediction will not be made."""
        self.app.refuse(self, error)
