"""The application: takes requests from connections, finds their route, and sees that each gets exactly one response.

It begins closed: until ``open`` is called with a loaded model, it answers that it is alive and not ready.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Callable, Dict, Optional, Set, Tuple, Union

from modelbuild_runtime.beside import Work, at_once
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.job import Queue
from modelbuild_runtime.dataplane.shares import Share
from modelbuild_runtime.errors import Overloaded, ServerError
from modelbuild_runtime.http.application import Asker, Connected, Keeper
from modelbuild_runtime.http.compression import LEAST, coding_for
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.heads import Head
from modelbuild_runtime.http.identity import RequestIds
from modelbuild_runtime.http.limits import SMALL, Limits
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.patience import deadline
from modelbuild_runtime.http.router import Bound, Router, choose
from modelbuild_runtime.http.routes import Routes
from modelbuild_runtime.http.served import Served
from modelbuild_runtime.metrics.metrics import Metrics
from modelbuild_runtime.process.host.memory import room
from modelbuild_runtime.process.requests.closed import nothing_served
from modelbuild_runtime.process.requests.large import is_large
from modelbuild_runtime.process.requests.offload import Offload
from modelbuild_runtime.process.requests.refusal import refusal, unreadable, unspeakable
from modelbuild_runtime.request import Response
from modelbuild_runtime.security.keys import Keys
from modelbuild_runtime.settings import Settings

if TYPE_CHECKING:
    from modelbuild_runtime.process.access_log.log import AccessLog
    from modelbuild_runtime.process.workers.witness import Witness
    from modelbuild_runtime.trace.tracer import Tracer

_GONE = HttpResponse(499, headers=(("grpc-status", "1"),))
"""What is written down of a client that gave up, by nginx too; over gRPC CANCELLED. Nobody gets it."""
_NOT_FOUND = 404
"""Who asks for a model that is not here says nothing of the one that is."""
_ERROR = 400
"""Some protocols have an answer for who is turned away, which is not kept waiting."""


class Application:
    """``now`` is the monotonic clock as of the last patrol, a second ago at most; ``draining`` is set by SIGTERM;
    ``held`` are the bytes of bodies that were not answered, and of answers not read yet, ``max_held`` the most that
    they may be; ``coming`` are connections that are not made yet, and since when; ``beside`` does what would keep the
    loop for long, ``witness`` notes what is in flight, ``tracer`` makes spans.
    """

    def __init__(self, settings: Settings, router: Router, keys: Optional[Keys] = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.connections: Set[Connected] = set()
        self.coming: Dict[Connected, float] = {}
        self.others: Dict[str, Served] = {}
        self.routes = Routes(router, self.others, keys)
        self.draining = False
        self.held = 0
        self.max_held = settings.max_held or room(settings.workers)
        self.now = monotonic()
        self.beside: Callable[[Work], None] = at_once
        self.beside_long: Callable[[Work], None] = at_once
        self.later: Optional[Callable[[Exchange, HttpResponse], None]] = None
        self._ids = RequestIds()
        self._offload = Offload(self, Limits(settings.max_body, settings.max_elements))
        self._count = self.metrics.response
        self._new_id = self._ids.new
        self.witness: Optional[Witness] = None
        self.tracer: Optional[Tracer] = None
        self._log_access: Optional[Callable[[Exchange, HttpResponse, float], None]] = None
        self._detailed = False
        self._opened = False
        self._served = nothing_served(router)

    def open(self, router: Router, dataplane: Dataplane, queue: Queue, name: str = "") -> None:
        """Begin to predict with the model of that name."""
        self._served = Served(router, dataplane.prepare, queue.submit, queue.resume, queue.admit, name)
        self._opened = True
        self.routes.open(router)

    def trace(self, tracer: Tracer) -> None:
        """Make spans, of what is asked from now on."""
        self.tracer = tracer
        self.metrics.detailed = True

    def log_access(self, log: AccessLog) -> None:
        """Write a line for each request, from now on."""
        self._log_access = log.tell
        self.metrics.detailed = self._detailed = True

    def accept(self, asker: Asker, head: Head, body: Union[bytes, bytearray]) -> None:
        """A whole request has arrived."""
        usual = head.usual
        if (
            usual is None
            or len(body) > SMALL
            or (head.mark and body.find(head.mark) >= 0)  # quicker than `in`
            or (head.begins and not body.startswith(head.begins))
        ):
            self._accept_any(asker, head, body)
            return
        received = monotonic()
        match, served = head.match, head.served or self._served
        identity = self._new_id() if head.request_id is None else self._ids.of(head.request_id)
        http = HttpRequest(head.method, match.path, match.query, head.headers, body, match.params, identity, received)
        exchange = Exchange(
            self,
            asker,
            http,
            identity,
            received,
            head.keep_alive,
            head.version,
            head.plain,
            usual.protocol,
            served,
            usual,
        )
        if self.tracer is not None and (head.traced or self.tracer.begins()):
            exchange.span, http.headers = self.tracer.begin(http.headers)
        asker.pending.append(exchange)
        try:
            served.admit()
            if self.witness is not None:
                self.witness.enter(exchange)
            self._ask(exchange, usual, head.patience)
        except Exception as error:  # noqa: BLE001  # whatever it is, there is an answer
            self._fail_at_once(exchange, error, head)

    def _accept_any(self, asker: Asker, head: Head, body: Union[bytes, bytearray]) -> None:
        """Any request, whatever it asks for."""
        received = monotonic()
        match = head.match
        identity = self._new_id() if head.request_id is None else self._ids.of(head.request_id)
        http = HttpRequest(head.method, match.path, match.query, head.headers, body, match.params, identity, received)
        served = head.served or self._served
        exchange = Exchange(
            self, asker, http, identity, received, head.keep_alive, head.version, head.plain, match.owner, served
        )
        if self.tracer is not None and (head.traced or self.tracer.begins()):
            exchange.span, http.headers = self.tracer.begin(http.headers)
        asker.pending.append(exchange)
        try:
            exchange.bound = bound = match.only or choose(match, http, opened=self._opened)
            exchange.protocol = bound.protocol
            if bound.predicts:
                served.admit()
            if self.witness is not None:
                self.witness.enter(exchange)
            if len(body) > SMALL or head.content_encoding is not None or bound.slow:
                self._offload.read(exchange, head)
                return
            if not bound.predicts:
                self.respond(exchange, bound.answer(http))
                return
            self._ask(exchange, bound, head.patience)
        except Exception as error:  # noqa: BLE001  # whatever it is, there is an answer
            if exchange.bound is None and match.routes:
                exchange.protocol = match.routes[-1].protocol  # who takes the rest
            self._fail_at_once(exchange, error, head)

    def _fail_at_once(self, exchange: Exchange, error: Exception, head: Head) -> None:
        """The request goes no further; who asks may not wait for long to learn it."""
        if head.patience > 0:
            exchange.deadline = exchange.received + head.patience
        self.fail(exchange, error, head.match.allowed)

    def _ask(self, exchange: Exchange, bound: Bound, patience: float) -> None:
        """Decode and check what asks for a prediction, and have it made."""
        exchange.request = request = bound.decode(exchange.http)
        if patience:
            request.deadline = deadline(exchange.received, patience, request.deadline)
        served = exchange.served
        served.prepare(exchange)
        served.submit(exchange)

    def reject(self, asker: Asker, head: Head, error: ServerError) -> None:
        """What arrived is not a request, or not one to read to its end: the connection closes after the answer."""
        match = head.match
        identity = self._ids.of(head.request_id)
        http = HttpRequest(head.method, match.path, match.query, head.headers, b"", {}, identity, monotonic())
        owner = match.routes[-1].protocol if match.routes else match.owner  # who takes the rest
        exchange = Exchange(self, asker, http, identity, http.received, False, "1.1", False, owner, self._served)
        asker.pending.append(exchange)
        self.refuse(exchange, error)

    def encode(self, exchange: Exchange, response: Response) -> None:
        """A prediction was made: put it into the protocol's shape, and send it."""
        if self._detailed or exchange.span is not None:
            exchange.encoding = monotonic()
        if not isinstance(response.columns, Share) and is_large(response):
            self._offload.encode(exchange, response)
            return
        try:
            answer = exchange.bound.encode(exchange.http, exchange.request, response)  # type: ignore[union-attr]
        except Exception as error:  # noqa: BLE001  # whatever it is, there is an answer
            self.fail_to_encode(exchange, error)
            return
        if exchange.cache:
            answer.headers += (("x-cache", exchange.cache),)
        self.respond(exchange, answer)

    def refuse(self, exchange: Exchange, error: ServerError, allowed: Tuple[str, ...] = ()) -> None:
        """Send an error in the shape of the protocol that was asked."""
        response = refusal(exchange, error, allowed)
        crowded = error.__class__ is Overloaded and response.status >= _ERROR and not exchange.cancelled
        if crowded and self.later is not None:
            self.later(exchange, response)
        else:
            self.respond(exchange, response)

    def patrol(self) -> None:
        """Called about once a second."""
        self.now = now = monotonic()
        for connection in tuple(self.connections):
            connection.patrol(now)
        if self.witness is not None:
            self.witness.sweep()

    def drain(self) -> None:
        """Finish what has begun; close what is idle."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()

    def give_up(self, error: ServerError) -> None:
        """There is no more time: tell whoever waits, and has no part of an answer yet."""
        waiting = [exchange for connection in self.connections for exchange in connection.pending]
        for exchange in waiting:
            if exchange.data is None and exchange.pump is None and not exchange.cancelled:
                exchange.cancelled = True  # the queue's own answer would come too late
                self.refuse(exchange, error)

    @property
    def opened(self) -> bool:
        """The routes are those of all protocols."""
        return self._opened

    @property
    def keeper(self) -> Optional[Keeper]:
        """Who keeps connections for another process, if anybody does."""
        return self.witness.connections if self.witness is not None else None

    @property
    def in_flight(self) -> int:
        """Requests that have no response yet."""
        return sum(len(connection.pending) for connection in self.connections)

    def abandoned(self, exchange: Exchange) -> None:
        """Its client has gone before it had an answer."""
        self.metrics.shed("gone", exchange.asked)
        self._describe(exchange, _GONE, monotonic() - exchange.received)

    def fail(self, exchange: Exchange, error: BaseException, allowed: Tuple[str, ...]) -> None:
        """The request cannot be read, or we have a bug."""
        self.refuse(exchange, unreadable(exchange, error), allowed)

    def fail_to_encode(self, exchange: Exchange, error: BaseException) -> None:
        """The prediction cannot be said in this protocol, or we have a bug."""
        self.refuse(exchange, unspeakable(exchange, error))

    def respond(self, exchange: Exchange, response: HttpResponse) -> None:
        """Count the response, and send it."""
        seconds = monotonic() - exchange.received
        bound = exchange.bound
        if bound is not None:
            model = exchange.served.name if bound.predicts and response.status != _NOT_FOUND else ""
            self._count(bound.name, model, response.status, seconds)
        else:
            self._count(exchange.protocol.name if exchange.protocol else "", "", response.status, seconds)
        if exchange.place >= 0:
            self.witness.leave(exchange)  # type: ignore[union-attr]  # who gave it the place
        if self._log_access is not None or exchange.span is not None:
            self._describe(exchange, response, seconds)
        accepted = exchange.http.headers.get(b"accept-encoding") if len(response.body) >= LEAST else None
        coding = coding_for(accepted, response) if accepted is not None else None
        if coding is None or exchange.http.method == "GRPC":
            exchange.connection.deliver(exchange, response)
        else:
            self._offload.compress(exchange, response, coding)

    def _describe(self, exchange: Exchange, response: HttpResponse, seconds: float) -> None:
        """To the access log, and as a span."""
        if self._log_access is not None:
            self._log_access(exchange, response, seconds)
        if exchange.span is not None:
            self.tracer.end(exchange, exchange.span, response, seconds)  # type: ignore[union-attr]  # who made it
