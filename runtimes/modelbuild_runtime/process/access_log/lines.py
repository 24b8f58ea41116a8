"""Lines of the access log. What many have in common is made once: a line is one format, into which its numbers go."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from modelbuild_runtime.http.router import Bound
from modelbuild_runtime.log import Clock
from modelbuild_runtime.metrics.marks import Ran
from modelbuild_runtime.process.access_log.styles import Style
from modelbuild_runtime.protocols import Protocol
from modelbuild_runtime.trace.context import TRACEPARENT, Trace, trace_of

Kind = Tuple[Union[Bound, Protocol, None], str, str, str, int]
"""Its route, or its protocol where there is none, the model's name, the method, the path, and the answer's status."""
Answered = Tuple[Kind, str, Union[Trace, bytes, None], str, int, int, int, float, float, float, float, Optional[Ran]]
"""A request that was answered: its kind, its id, its trace or what the caller says of that, where the cache had the
answer from, the sizes of body and answer, the rows; the seconds that it took, the moments at which it was received,
queued and encoded; and its run.
"""

_MOST_HEADS = 256
_MILLISECOND = 0.001


class Lines:
    """Makes them in one style, and keeps the heads of the last kinds of requests."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._whole = style.whole
        self._pieces = style.whole.count(b"%")  # that a line is put together from
        self._clock = Clock()
        self._heads: Dict[Kind, bytes] = {}

    def of(self, answered: Sequence[Answered], past: float) -> Iterator[bytes]:
        """Their lines, in pieces of several. ``past`` is how far the loop's clock is behind the seconds since 1970."""
        style, quoted = self._style, self._style.quoted
        last_kind: Optional[Kind] = None
        last_ran: Optional[Ran] = None
        since = until = 0.0
        begin = head = run = joined = b""
        pieces: List[Any] = []
        for one in answered:
            kind, identity, traced, cache, body, answer, rows, seconds, received, queued, encoding, ran = one
            ended = received + seconds
            if not since <= ended < until:
                since = (ended + past) // _MILLISECOND * _MILLISECOND - past
                until = since + _MILLISECOND
                begin = style.moment % self._clock.told(ended + past).encode()
            if kind != last_kind:
                last_kind, head = kind, self._head(kind)
            trace = b"" if traced is None else self._trace(traced)
            if ran is None or cache:
                yield self._written(pieces)
                yield begin + head + self._rest(one) + trace + style.name % quoted(identity) + style.end
                continue
            if ran is not last_ran:  # what is told of a run is the same for all that were in it
                last_ran = ran
                run = style.run % (ran.preprocess, ran.predict, ran.postprocess)
                joined = style.joined % (ran.requests, ran.rows)
            decode, queue, encode = queued - received, ran.began - queued, ended - encoding if encoding else 0.0
            pieces += (
                begin,
                head,
                body,
                answer,
                seconds,
                decode,
                queue,
                run,
                encode,
                rows,
                joined,
                trace,
                quoted(identity),
            )
        yield self._written(pieces)

    def _written(self, pieces: List[Any]) -> bytes:
        """Whole lines, all of them by one operation."""
        lines = self._whole * (len(pieces) // self._pieces) % tuple(pieces)
        pieces.clear()
        return lines

    def _head(self, kind: Kind) -> bytes:
        """What all requests of a kind have in common."""
        found = self._heads.get(kind) if isinstance(kind[0], Bound) else None
        if found is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            found = self._style.head(_said(*kind))
            if isinstance(kind[0], Bound):  # paths without a route are many
                self._heads[kind] = found
        return found

    def _rest(self, one: Answered) -> bytes:
        """What follows the head, of any request."""
        style = self._style
        _, _, _, cache, body, answer, rows, seconds, received, queued, encoding, ran = one
        line = style.sizes % (body, answer, seconds)
        if queued:
            ended = received + seconds
            line += style.queue % (queued - received, (ended if ran is None else ran.began) - queued)
            if ran is not None:
                line += style.run % (ran.preprocess, ran.predict, ran.postprocess)
                line += style.encode % (ended - encoding if encoding else 0.0)
            line += style.rows % rows
        if cache:
            line += style.cache % cache.encode()
        if ran is not None:
            line += style.joined % (ran.requests, ran.rows)
        return line

    def _trace(self, traced: Union[Trace, bytes]) -> bytes:
        style = self._style
        trace = traced if isinstance(traced, Trace) else trace_of({TRACEPARENT: traced})
        if trace is None:
            return b""
        span = style.span % trace.span_id.encode() if trace.span_id else b""
        return style.trace % trace.trace_id.encode() + span


def _said(asked: Union[Bound, Protocol, None], model: str, method: str, path: str, status: int) -> Dict[str, Any]:
    said: Dict[str, Any] = {"method": method, "path": path, "status": status}
    if asked is not None:
        said["protocol"] = asked.name
    if isinstance(asked, Bound):
        said["route"] = asked.route.path
        if asked.predicts:
            said["model"] = model
    return said
