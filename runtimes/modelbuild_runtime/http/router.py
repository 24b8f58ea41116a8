"""Which route a request is for. Exact paths are found in a dictionary, then those with placeholders are tried; what was
found is remembered, since clients ask for the same few targets again and again. Protocols whose paths nobody has asked
for need not be there yet.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Pattern, Sequence, Tuple
from urllib.parse import unquote

import msgspec

from modelbuild_runtime.errors import MethodNotAllowed, NotFound, NotReady, ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Decoding, Prediction, Protocol, Route, Spoken, Task
from modelbuild_runtime.request import Request, Response

_REMEMBERED = 512
_MOST_PARTS = 32
_SLASH = re.compile("%2f", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{(\w+\*?)\}")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class Bound(msgspec.Struct, frozen=True, eq=False):
    """A route with the protocol whose it is. It either predicts (``decode`` and ``encode``), or has an ``answer``."""

    route: Route
    protocol: Protocol
    name: str  # of the protocol
    predicts: bool
    slow: bool  # its answer is made beside the loop
    answer: Callable[[HttpRequest], HttpResponse]
    decode: Callable[[HttpRequest], Request]
    encode: Callable[[HttpRequest, Request, Response], HttpResponse]
    counts: bool = False  # the values of a body by itself
    light: Optional[Callable[[HttpRequest], bool]] = None  # whether a large body is decoded as quickly as a small one
    decoding: Optional[Decoding] = None

    def of(self, headers: Mapping[bytes, bytes]) -> Bound:
        """The same for requests with these header fields."""
        decode = self.decoding(headers) if self.decoding is not None else None
        return self if decode is None else msgspec.structs.replace(self, decode=decode)


class Match(msgspec.Struct, frozen=True, eq=False):
    """What a method and a target lead to.

    ``only`` is the single route where nothing is to choose; ``routes`` are to be asked in turn otherwise, and are empty
    where none fits. ``allowed`` are the methods of a path that exists; ``owner`` is the protocol that says so where
    there is no route: the one that takes what others on that path leave, else the only one with paths below the same.
    ``refused`` is why whoever asks gets nothing, without a key or where too many ask.
    """

    path: str
    query: str
    params: Dict[str, str]
    only: Optional[Bound]
    routes: Tuple[Bound, ...]
    allowed: Tuple[str, ...]
    owner: Optional[Protocol]
    refused: Optional[ServerError] = None


class _Node:
    """One path with all its methods. Its pattern is made for the first request that begins as it does."""

    __slots__ = ("_begin", "_path", "_pattern", "methods")

    def __init__(self, path: str) -> None:
        self.methods: Dict[str, List[Bound]] = {}
        self._path = path
        self._begin = path.partition("{")[0]
        self._pattern: Optional[Pattern[str]] = None

    def fits(self, path: str) -> Optional[Mapping[str, str]]:
        """The placeholders' values, percent-encoded as the path; None for another path."""
        if not path.startswith(self._begin):
            return None
        if self._pattern is None:
            self._pattern = pattern(self._path)
        match = self._pattern.fullmatch(path)
        return match.groupdict() if match else None


class Router:
    """All routes of all protocols, as ``seen``: None for one that has none here."""

    def __init__(
        self, protocols: Sequence[Spoken], seen: Callable[[Protocol], Optional[Protocol]] = lambda protocol: protocol
    ) -> None:
        self._spoken = protocols
        self._seen = seen
        self._made: Dict[int, Optional[Protocol]] = {}
        self._exact: Dict[str, _Node] = {}
        self._patterns: List[_Node] = []
        self._owners: Dict[Tuple[str, ...], Optional[Protocol]] = {}
        self._known: Dict[Tuple[bytes, bytes], Match] = {}

    def find(self, method: bytes, target: bytes) -> Match:
        """The routes for a request line. Never raises: a match without routes says what is wrong."""
        match = self._known.get((method, target))
        if match is None:
            match = self._find(method.decode("ascii"), target.decode("latin-1"))
            if match.routes:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[method, target] = match
        return match

    def _make(self, *paths: str) -> None:
        """Have all protocols there that may have one of these paths. What was found before stays right: nobody else had
        a route there, or below its first segment.
        """
        asked = [
            at
            for at, one in enumerate(self._spoken)
            if at not in self._made and any(one.may_have(path) for path in paths)
        ]
        if asked:
            self._made.update((at, self._seen(self._spoken[at].made())) for at in asked)
            self._index([protocol for _, protocol in sorted(self._made.items()) if protocol is not None])

    def _index(self, protocols: Sequence[Protocol]) -> None:
        nodes: Dict[str, _Node] = {}
        self._exact, self._patterns, self._owners = {}, [], {}
        for protocol in protocols:
            for route in protocol.routes:
                self._add(nodes, route, protocol)
            for prefix in protocol.prefixes:
                self._own((prefix,), protocol)
        for path in sorted(nodes, key=lambda path: (path.count("{"), -len(path))):
            self._keep(path, nodes[path])

    def _add(self, nodes: Dict[str, _Node], route: Route, protocol: Protocol) -> None:
        if route.path not in nodes:
            nodes[route.path] = _Node(route.path)
        nodes[route.path].methods.setdefault(route.method, []).append(_bind(route, protocol))
        for prefix in _prefixes(_PLACEHOLDER.sub("*", route.path)):
            self._own(prefix, protocol)

    def _own(self, prefix: Tuple[str, ...], protocol: Protocol) -> None:
        self._owners[prefix] = protocol if self._owners.get(prefix, protocol) is protocol else None

    def _keep(self, path: str, node: _Node) -> None:
        for bounds in node.methods.values():
            bounds.sort(key=lambda bound: bound.route.when is None)  # the one without a condition takes the rest
        if "{" in path:
            self._patterns.append(node)
        else:
            self._exact[path] = node

    def _find(self, method: str, target: str) -> Match:
        raw, query = _split(target)
        path = unquote(raw)
        self._make(raw, path)
        node, params = self._node(raw, path)
        owner = self._owner(raw) if node is None else _claimant(node)
        if node is None:
            return Match(path, query, {}, None, (), (), owner)
        taken = "GET" if method == "HEAD" and method not in node.methods else method
        routes = tuple(node.methods.get(taken, []))
        only = routes[0] if len(routes) == 1 and routes[0].route.when is None else None
        return Match(path, query, params, only, routes, _allowed(node), owner)

    def _owner(self, raw: str) -> Optional[Protocol]:
        """The protocol of the longest part of a path that has paths below it."""
        for prefix in reversed(_prefixes(raw, max(map(len, self._owners), default=0))):
            for known, owner in self._owners.items():
                if len(known) == len(prefix) and all(want in ("*", got) for want, got in zip(known, prefix)):
                    return owner
        return None

    def _node(self, raw: str, path: str) -> Tuple[Optional[_Node], Dict[str, str]]:
        if "%2" in raw:  # an escaped slash is part of a name, and separates none
            path = unquote(_SLASH.sub("%252F", raw))
        for candidate, text in ((raw, path), (raw.rstrip("/"), path.rstrip("/"))):
            node = self._exact.get(text)
            if node is not None:
                return node, {}
            for node in self._patterns:
                values = node.fits(candidate)
                if values is not None:
                    return node, {name: unquote(value) for name, value in values.items()}
        return None, {}


def choose(match: Match, http: HttpRequest, *, opened: bool) -> Bound:
    """The first route whose condition holds; ``opened`` are the routes if they are those of all protocols.

    Raises:
        ServerError: there is none, or whoever asks may not.
    """
    if match.refused is not None:
        raise match.refused
    for bound in match.routes:
        if bound.route.when is None or bound.route.when(http):
            return bound
    if not opened:
        raise NotReady("the model is still being loaded", retry_after=1)
    if match.routes:
        raise NotFound(f"no protocol on {match.path} understands this request")
    if match.allowed:
        raise MethodNotAllowed(f"{http.method} is not possible on {match.path}; use {', '.join(match.allowed)}")
    raise NotFound(f"there is no {match.path}")


def _bind(route: Route, protocol: Protocol) -> Bound:
    endpoint = route.endpoint
    if isinstance(endpoint, Prediction):
        return Bound(route, protocol, protocol.name, True, False, _nothing, *endpoint)
    if isinstance(endpoint, Task):
        return Bound(route, protocol, protocol.name, False, True, endpoint.answer, _nothing, _nothing)
    return Bound(route, protocol, protocol.name, False, False, endpoint, _nothing, _nothing)


def _nothing(*_: Any) -> Any:
    raise NotImplementedError


def _split(target: str) -> Tuple[str, str]:
    """Path (still percent-encoded) and query of a request target, in its origin or its absolute form."""
    if not target.startswith("/"):
        target = _ABSOLUTE.sub("", target, count=1) or "/"
    path, _, query = target.partition("?")
    return path, query


def pattern(path: str) -> Pattern[str]:
    """What a route's path fits, percent-encoded: a placeholder is anything but a slash, the last one with a star all
    segments that are left.
    """
    parts = _PLACEHOLDER.split(path)
    return re.compile("".join(re.escape(part) if i % 2 == 0 else _group(part) for i, part in enumerate(parts)))


def _group(name: str) -> str:
    return f"(?P<{name[:-1]}>.+?)" if name.endswith("*") else f"(?P<{name}>[^/]+?)"


def _prefixes(path: str, longest: int = _MOST_PARTS) -> List[Tuple[str, ...]]:
    """The first part of a path, and all others but the whole, of at most so many parts."""
    parts = tuple(path[1:].rstrip("/").split("/", longest + 1))
    return [parts[:length] for length in range(1, min(max(len(parts), 2), longest + 1)) if parts[0] not in ("", "*")]


def _claimant(node: _Node) -> Optional[Protocol]:
    """The only protocol of a path, or the only one with a route on it that has no condition."""
    bounds = [bound for bounds in node.methods.values() for bound in bounds]
    for claims in (bounds, [bound for bound in bounds if bound.route.when is None]):
        if claims and all(bound.protocol is claims[0].protocol for bound in claims):
            return claims[0].protocol
    return None


def _allowed(node: _Node) -> Tuple[str, ...]:
    methods = set(node.methods) - {"GRPC"}  # which is no method of HTTP
    return tuple(sorted(methods | {"HEAD"} if "GET" in methods else methods))
