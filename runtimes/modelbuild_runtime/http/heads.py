"""Heads of requests. Clients that keep their connection send the same head again and again: one that is, byte for byte,
a head that was parsed and found good is not parsed again. Those who trace requests send heads that are the same but for
what the request is called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

import msgspec

from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.http.patience import MILLISECONDS, SECONDS, patience
from modelbuild_runtime.http.router import Bound, Match
from modelbuild_runtime.trace.context import TRACEPARENT, TRACESTATE

if TYPE_CHECKING:
    from modelbuild_runtime.http.served import Served

_MOST = 256
_MOST_LAYOUTS = 4
"""Of heads of one length: each is tried."""
_LONGEST = 2048
_PASSING = (b"x-b3-traceid", b"x-amzn-trace-id", b"expect", b"upgrade")
"""Fields by which a head differs from the next one, or that want more than an answer."""
_NAMING = frozenset((b"x-request-id", TRACEPARENT, TRACESTATE))
_NAMES = re.compile(rb"\r\n(X-Request-Id|traceparent|tracestate): ([!-~]+)(?=\r\n)", re.IGNORECASE)
"""Fields that say what a request is called, as clients write them. Their values are of characters that end no line, and
mean nothing to HTTP.
"""
_CHANGED = bytes.maketrans(bytes({*range(256)} - {*range(0x21, 0x7F)}), b"!" * 162)
"""A table that changes what has any other characters."""


class Head(msgspec.Struct, eq=False):
    """All of a request but its body. ``length`` is the body's, 0 where there is none; ``version`` is "1.1" or "1.0".
    ``patience`` are seconds that the client waits, 0 where it does not say: see ``http.patience``.
    ``usual`` is the route of nearly all requests with this head, which ask for a prediction and for nothing else: those
    whose body does not hold the ``mark`` of another's, and begins with one of ``begins``, if there are any. It is None
    where each has to be looked at.
    ``headers`` are shared by all requests with this head: nobody may change them.
    """

    method: str
    match: Match
    headers: Dict[bytes, bytes]
    keep_alive: bool
    version: str
    plain: bool  # the response is a whole one, and says nothing of the connection
    request_id: Optional[bytes]
    content_encoding: Optional[bytes]
    content_type: bytes
    length: int
    traced: bool  # the client says which trace the request belongs to
    served: Optional[Served]  # the model, where it is not the one that this server is about
    patience: float = 0.0
    usual: Optional[Bound] = None
    mark: bytes = b""
    begins: Tuple[bytes, ...] = ()


def make_head(
    method: bytes,
    match: Match,
    headers: Dict[bytes, bytes],
    version: str,
    *,
    keep_alive: bool,
    served: Optional[Served] = None,
) -> Head:
    """A head as the connection parsed it, with what is asked of it for every request."""
    get = headers.get
    head = Head(
        method.decode("ascii"),
        match,
        headers,
        keep_alive,
        version,
        keep_alive and version == "1.1" and method != b"HEAD",
        get(b"x-request-id"),
        get(b"content-encoding"),
        get(b"content-type", b""),
        int(get(b"content-length", b"0") or b"0"),
        TRACEPARENT in headers,
        served,
        patience(headers) if SECONDS in headers or MILLISECONDS in headers else 0.0,
    )
    if method != b"HEAD" and not head.content_encoding:
        _find_usual(head)
    return head


def _find_usual(head: Head) -> None:
    """The usual route, if there is one."""
    match = head.match
    bound = match.only
    if bound is None and len(match.routes) == 2 and match.routes[1].route.when is None:
        first, rest = match.routes
        if first.route.mark:
            bound, head.mark = rest, first.route.mark
        elif first.route.begins:
            head.begins = first.route.begins
            like = HttpRequest(head.method, match.path, match.query, head.headers, head.begins[0], match.params)
            bound = first if first.route.when is None or first.route.when(like) else rest
    head.usual = bound.of(head.headers) if bound is not None and bound.predicts else None


class _Layout:
    """Where heads of one length say what their request is called. ``heads`` are those, by all else that they say."""

    __slots__ = ("heads", "values")

    def __init__(self, values: List[Tuple[int, int, bytes]]) -> None:
        self.values = values
        self.heads: Dict[bytes, Head] = {}

    def rest(self, text: bytes) -> bytes:
        """All else that a head says."""
        values = self.values
        if len(values) == 1:
            start, end, _ = values[0]
            return text[:start] + text[end:]
        at, rest = 0, b""
        for start, end, _ in values:
            rest += text[at:start]
            at = end
        return rest + text[at:]

    def renamed(self, known: Head, text: bytes) -> Optional[Head]:
        """The head of these bytes, which say the same as a known one but for the names."""
        head: Head = known.__copy__()  # type: ignore[attr-defined]  # what copy() calls, by a detour
        head.headers = headers = known.headers.copy()
        for start, end, name in self.values:
            headers[name] = value = text[start:end]
            if value.translate(_CHANGED) != value:
                return None
            if name == b"x-request-id":
                head.request_id = value
        return head


class KnownHeads:
    """Heads by their bytes, the blank line included."""

    def __init__(self) -> None:
        self._heads: Dict[bytes, Head] = {}
        self._layouts: Dict[int, List[_Layout]] = {}  # by how many bytes they have
        self._room = _MOST
        self.get = self._heads.get

    def like(self, text: bytes) -> Optional[Head]:
        """The head of these bytes, if it is as long as one that was parsed, and differs from it in nothing but what the
        request is called.
        """
        for layout in self._layouts.get(len(text), ()):
            known = layout.heads.get(layout.rest(text))
            if known is not None:
                return layout.renamed(known, text)
        return None

    def add(self, text: bytes, head: Head) -> None:
        """Remember a head that the parser has accepted, unless it is not likely to come again."""
        if len(text) > _LONGEST or not head.keep_alive or head.version != "1.1":
            return
        if head.match.refused is not None:  # whoever has no key shall not push out the heads of those who have
            return
        if b"transfer-encoding" in head.headers or any(name in head.headers for name in _PASSING):
            return
        if any(name in head.headers for name in _NAMING):
            self._add_named(text, head)
            return
        if len(self._heads) >= _MOST:
            self._heads.clear()
        self._heads[text] = head

    def clear(self) -> None:
        """Forget all: the routes have changed."""
        self._heads.clear()
        self._layouts.clear()
        self._room = _MOST

    def _add_named(self, text: bytes, head: Head) -> None:
        found = list(_NAMES.finditer(text))
        if sorted(value[1].lower() for value in found) != sorted(_NAMING & head.headers.keys()):
            return  # one of them is there twice, or written in another way
        if any(head.headers[value[1].lower()] != value[2] for value in found):
            return
        if not self._room:
            self._layouts.clear()
            self._room = _MOST
        self._room -= 1
        values = [(*value.span(2), value[1].lower()) for value in found]
        layouts = self._layouts.setdefault(len(text), [])
        layout = next((layout for layout in layouts if layout.values == values), None)
        if layout is None:
            layout = _Layout(values)
            layouts.insert(0, layout)
            del layouts[_MOST_LAYOUTS:]
        layout.heads[layout.rest(text)] = head
