"""One request on its way to its response. It waits in its connection's line, and in the batcher's queue as a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import msgspec

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.request import Request, Response
from modelbuild_runtime.trace.context import Trace, trace_of

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application, Asker
    from modelbuild_runtime.http.pump import Pump
    from modelbuild_runtime.http.router import Bound
    from modelbuild_runtime.http.served import Served
    from modelbuild_runtime.protocols import Protocol


class Exchange(msgspec.Struct, eq=False):
    """``protocol`` is the one whose shape errors take, None for our own. ``served`` is the model it asks. ``span`` is
    there where one is made of it. ``data`` are the bytes of the response, once there is one; ``rest`` is a large
    body that goes after them, ``pump`` sends one that comes in parts. ``cancelled``: nobody waits for it any more.
    ``cache`` says where the answer came from, where there is a cache. The rest is the batcher's: see ``Job``.
    """

    app: Application
    connection: Asker
    http: HttpRequest
    id: str
    received: float
    keep_alive: bool
    version: str
    plain: bool
    protocol: Optional[Protocol]
    served: Served
    bound: Optional[Bound] = None
    data: Optional[bytes] = None
    rest: bytes = b""
    pump: Optional[Pump] = None
    cancelled: bool = False
    request: Any = None
    inputs: Any = None
    count: int = 0
    key: Any = None
    deadline: float = 0.0
    queued: float = 0.0
    cache: str = ""
    ran: Any = None
    place: int = -1  # the witness's
    fingerprint: int = 0
    encoding: float = 0.0  # when that began, where requests are described one by one
    span: Optional[Trace] = None

    @property
    def asked(self) -> str:
        """The model of which it asks a prediction, empty where it asks for something else."""
        return self.served.name if self.bound is not None and self.bound.predicts else ""

    @property
    def trace(self) -> Optional[Trace]:
        """The trace that it belongs to, which its caller may say where no span is made."""
        return self.span or trace_of(self.http.headers)

    def abandon(self) -> None:
        """Its client has gone, and nobody waits for it any more."""
        if self.data is None and self.pump is None and not self.cancelled:
            self.app.abandoned(self)
        self.cancelled = True

    def again(self) -> Request:
        """The request decoded anew: what was decoded before may have been changed by the handler."""
        return self.bound.decode(self.http)  # type: ignore[union-attr]

    def answer(self, response: Response) -> None:
        """The prediction is made."""
        self.app.encode(self, response)

    def fail(self, error: ServerError) -> None:
        """The prediction will not be made."""
        self.app.refuse(self, error)
