"""What connections know of the application that answers them, and it of them, whatever they speak."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Callable, Collection, Dict, Optional, Protocol, Set, Tuple, Union

from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.settings import Settings

if TYPE_CHECKING:
    from modelbuild_runtime.beside import Work
    from modelbuild_runtime.http.exchange import Exchange
    from modelbuild_runtime.http.heads import Head
    from modelbuild_runtime.http.message import HttpResponse
    from modelbuild_runtime.http.routes import Routes
    from modelbuild_runtime.metrics.metrics import Metrics
    from modelbuild_runtime.request import Response


class Line(Protocol):
    """Requests that wait for their responses, oldest first."""

    def append(self, exchange: Exchange, /) -> None: ...
    def __len__(self) -> int: ...


class Asker(Protocol):
    """Who gets the response: a connection over HTTP/1.1, or one call of gRPC. ``number`` is that by which another
    process knows the connection, 0 where none does; ``unsent`` counts bytes that were written and have not left.
    """

    number: int

    @property
    def pending(self) -> Line: ...
    @property
    def unsent(self) -> Callable[[], int]: ...
    def keep(self, size: int) -> None: ...  # raises where there is no room for a body that was read
    def deliver(self, exchange: Exchange, response: HttpResponse) -> None: ...


class Connected(Protocol):
    """A connection, which may end when the server does, or before, by the patience of its own."""

    @property
    def pending(self) -> Collection[Exchange]: ...
    def patrol(self, now: float) -> None: ...
    def drain(self) -> None: ...
    def abort(self) -> None: ...


class Keeper(Protocol):
    """Who keeps connections for another process to answer, should this one die."""

    def opened(self, connection: socket.socket) -> int: ...  # returns its number
    def closed(self, number: int) -> None: ...


class Application(Protocol):
    """See ``process.app``."""

    settings: Settings
    routes: Routes
    metrics: Metrics
    connections: Set[Connected]
    coming: Dict[Connected, float]
    draining: bool
    held: int
    max_held: int
    now: float
    beside: Callable[[Work], None]

    @property
    def opened(self) -> bool: ...
    @property
    def keeper(self) -> Optional[Keeper]: ...
    def accept(self, asker: Asker, head: Head, body: Union[bytes, bytearray]) -> None: ...
    def reject(self, asker: Asker, head: Head, error: ServerError) -> None: ...
    def abandoned(self, exchange: Exchange) -> None: ...
    def refuse(self, exchange: Exchange, error: ServerError, allowed: Tuple[str, ...] = ()) -> None: ...
    def encode(self, exchange: Exchange, response: Response) -> None: ...
