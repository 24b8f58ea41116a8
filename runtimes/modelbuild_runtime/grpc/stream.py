"""One call: its messages in, its answers out in the same order. To the application it is what a connection is for
HTTP/1.1: the place where requests wait for their responses.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional

import msgspec

from modelbuild_runtime.errors import DeadlineExceeded, InvalidInput, NotReady, ServerError
from modelbuild_runtime.grpc import frames, status
from modelbuild_runtime.grpc.answer_block import END, error_block, head_block
from modelbuild_runtime.grpc.call import Call
from modelbuild_runtime.grpc.incoming import Incoming
from modelbuild_runtime.grpc.message_reader import PREFIX
from modelbuild_runtime.grpc.outgoing import Outgoing
from modelbuild_runtime.grpc.parts import Parts
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse

if TYPE_CHECKING:
    from modelbuild_runtime.grpc.session import Session

_MAX_PENDING = 64
"""Messages of one stream in flight from which no more are taken from it."""


class Stream(msgspec.Struct, eq=False):
    """``pending`` are the messages whose answers are not written yet, oldest first. ``ended``: the client sends no
    more. ``closing``: nothing more is taken from it. ``over``: nobody waits.
    """

    _session: Session
    id: int
    _call: Call
    incoming: Incoming
    out: Outgoing
    pending: List[Exchange] = []
    ended: bool = False
    closing: bool = False
    over: bool = False
    _answers: Dict[Exchange, HttpResponse] = {}  # those that wait for others before them
    _parts: Optional[Parts] = None  # of the answer to the first of the pending, or of one that has no end
    _taking: bool = False
    _refusal: Optional[ServerError] = None
    _timer: Optional[asyncio.TimerHandle] = None
    number: int = 0  # of a connection that nobody else keeps: a client of gRPC is told by its end
    unsent: Callable[[], int] = int

    def begin(self) -> None:
        """The call has begun: its time runs, and what has no chance ends at once."""
        call = self._call
        if call.timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(call.timeout, self._expire)
        if call.error is not None:
            self.refuse(call.error)

    # What the client sends

    def receive(self, data: bytes, *, ended: bool) -> None:
        """Some bytes of messages, the last ones perhaps.

        Raises:
            StreamViolation: the client had announced another length.
        """
        self.ended = ended
        if self.closing:
            return
        incoming, call = self.incoming, self._call
        try:
            if ended and not call.many and incoming.whole(data):
                self._session.app.accept(self, call.head, data[PREFIX:])
                return
            incoming.feed(data, ended=ended)
            self._take()
        except ServerError as error:
            self.refuse(error)

    def _take(self) -> None:
        """Hand over the messages that are complete, and let the client send as many again."""
        if self._call.many:
            self._take_many()
        elif self.ended:
            self._ask(*self.incoming.messages.only())
        if not self.ended and not self.closing:
            self.incoming.let_send(enough=len(self.pending) >= _MAX_PENDING)

    def _take_many(self) -> None:
        """Answers may come at once, and each asks for more messages: that is left to this loop."""
        if self._taking:
            return
        self._taking = True
        try:
            while len(self.pending) < _MAX_PENDING and not self.closing:
                message = self.incoming.messages.next()
                if message is None:
                    break
                self._ask(*message)
        finally:
            self._taking = False
        if self.closing:
            return
        self.incoming.release(sum([len(exchange.http.body) for exchange in self.pending]))
        if self.ended and not self.pending and self._parts is None:
            self.incoming.messages.finish()
            self._finish(END)

    def _ask(self, body: bytes, compressed: bool) -> None:
        head = self._call.head
        if compressed:
            if self._call.inflating is None:
                raise InvalidInput("a message is compressed, and grpc-encoding does not say how", field="grpc-encoding")
            head = self._call.inflating
        self._session.app.accept(self, head, body)

    def keep(self, _size: int) -> None:
        """Messages were counted as they came."""

    # What ends a call early

    def refuse(self, error: ServerError) -> None:
        """End the call with an error; what was asked before is given up."""
        if self.closing:
            return
        self.closing = True
        self._refusal = error
        waiting, app = self.pending, self._session.app
        for exchange in waiting:
            exchange.cancelled = True
        self._answers.clear()
        parts = self._stop_parts()
        if parts is not None:  # counted already, when it began
            waiting.clear()
            self._answer(parts.exchange, status.grpc_error(parts.exchange.http, error))
        elif waiting:
            del waiting[1:]
            app.refuse(waiting[0], error)
        else:
            app.reject(self, self._call.head, error)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.over = self.closing = True
        for exchange in self.pending:
            exchange.abandon()
        self._stop_parts()
        self.pending.clear()
        self._answers.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.out.drop()
        self.incoming.drop()

    def leave(self) -> None:
        """The server stops: what waits for more than is on its way has to end."""
        parts = self._parts
        if (parts is not None and parts.endless) or (self._call.many and not self.pending):
            self.refuse(NotReady("the server stops"))

    def patrol(self, now: float) -> None:
        """Called about once a second: part with clients that are too slow."""
        if self.out.waiting:
            if now - self.out.since > self._session.app.settings.timeout:
                self._session.reset(self, frames.CANCEL)
        elif self._parts is not None and self._parts.endless:
            self._parts.more()
        elif not self.ended and not self.closing and not self.pending:
            late = self.incoming.late(now)
            if late is not None:
                self.refuse(late)

    def _expire(self) -> None:
        self._timer = None
        if not self.closing:
            asked = self.pending[0].asked if self.pending else ""
            self._session.app.metrics.shed("deadline", asked)
            self.refuse(DeadlineExceeded("the deadline passed before the answer was there"))

    # What is answered

    def deliver(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write an answer as soon as all before it are written."""
        if self.over or exchange not in self.pending:
            return
        once = response.parts is None and response.status < 400 and not self._call.many and self._refusal is None
        if once and not _fails(response) and self.out.whole(head_block(exchange.id, response), response.body):
            self.pending.clear()
            self._close()
            return
        self._answers[exchange] = response
        self._go_on()

    def more(self) -> None:
        """The client takes more."""
        self.out.flush()
        if self.out.done:
            self._close()
        elif self._parts is not None and not self.out.waiting:
            self._parts.more()

    def _go_on(self) -> None:
        """Write the answers that are there, up to one whose parts are still to come; take more messages."""
        pending = self.pending
        while pending and self._parts is None and not self.over:
            response = self._answers.pop(pending[0], None)
            if response is None:
                break
            if response.parts is None:
                self._answer(pending.pop(0), response)
            else:
                self._begin_parts(pending[0], response, response.parts)
        if self._call.many and not self.closing:
            try:
                self._take()
            except ServerError as error:
                self.refuse(error)

    def _answer(self, exchange: Exchange, response: HttpResponse) -> None:
        if response.status >= 400:
            response = status.shaped(response)
        fails = _fails(response)
        if self._refusal is not None and not fails:  # told in a message, as if the call went on
            response, fails = status.grpc_error(exchange.http, self._refusal), True
        if fails:
            self._finish(error_block(exchange.id, response, begun=self.out.begun))
            return
        if self._call.many:
            self.out.begin(head_block(exchange.id, response))
            self.write(response.body)
        else:
            self.incoming.drop()  # the answer waits in its place
            self.out.begin(head_block(exchange.id, response))
            self.write(response.body)
            self._finish(END)

    def _finish(self, trailers: bytes) -> None:
        if self.over:
            return
        self.closing = True
        if trailers is END and not self.out.begun:
            trailers = head_block("", None) + END  # a stream of no messages
        self.out.finish(trailers)
        if self.out.done:
            self._close()

    def _close(self) -> None:
        self.cancel()
        self._session.close_stream(self)

    # Answers in parts: see ``Parts``

    @property
    def takes_more(self) -> bool:
        """False while the client does not take what is there already."""
        return not self.out.waiting and not self._session.room.paused

    def write(self, message: bytes) -> None:
        """One message."""
        if not self.out.send(message):
            self._session.reset(self, frames.ENHANCE_YOUR_CALM)

    def end_parts(self) -> None:
        """All messages of the first answer are written."""
        self._parts = None
        self.pending.pop(0)
        if self._call.many:
            self._go_on()
        else:
            self._finish(END)

    def abort_parts(self, error: ServerError) -> None:
        """The first answer cannot be finished."""
        exchange = self.pending.pop(0)
        self._parts = None
        shape = exchange.protocol.error if exchange.protocol else status.grpc_error
        self._answer(exchange, shape(exchange.http, error))
        self._go_on()

    def _begin_parts(self, exchange: Exchange, response: HttpResponse, found: Iterator[bytes]) -> None:
        self.out.begin(head_block(exchange.id, response))
        self._parts = parts = Parts(self, exchange, found)
        if parts.endless:  # it is answered, and nobody's prediction
            self.pending.pop(0)
        parts.more()

    def _stop_parts(self) -> Optional[Parts]:
        """Returns what was being sent in parts, if anything was."""
        parts, self._parts = self._parts, None
        if parts is not None:
            parts.stop()
        return parts


def _fails(response: HttpResponse) -> bool:
    """Whether this is the end of a call that failed."""
    return bool(response.headers) and any(name == status.STATUS for name, _ in response.headers)
