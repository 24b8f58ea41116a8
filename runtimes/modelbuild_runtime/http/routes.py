"""What one listener answers: its routes, the heads that led to them, and who may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Mapping, Optional

import msgspec

from modelbuild_runtime.errors import Crowded, ServerError, Unauthorized
from modelbuild_runtime.http.heads import Head, KnownHeads, make_head
from modelbuild_runtime.http.router import Bound, Match, Router
from modelbuild_runtime.http.served import Served

if TYPE_CHECKING:
    from modelbuild_runtime.security.keys import Keys


class Routes:
    """``others`` are further models, by the name that a request's path may hold. Where there are ``keys``, whoever asks
    must bear one, but for what is public. ``crowded``: nobody else is answered at all, and each but once. ``changes``
    counts what makes heads that were remembered lead elsewhere.
    """

    def __init__(
        self, router: Router, others: Mapping[str, Served], keys: Optional[Keys] = None, *, crowded: bool = False
    ) -> None:
        self.known_heads = KnownHeads()
        self.changes = 0
        self._router = router
        self._others = others
        self._keys = keys
        self._crowded = crowded
        self._opened = False

    def open(self, router: Router) -> None:
        """Answer other routes from now on. What was answered before is nobody's secret."""
        self._router = router
        self._opened = True
        self.forget()

    def forget(self) -> None:
        """The routes, the models or the keys have changed."""
        self.changes += 1
        self.known_heads.clear()

    def head(
        self, method: bytes, target: bytes, headers: Dict[bytes, bytes], version: str, *, keep_alive: bool
    ) -> Head:
        """A head that was just parsed, with the route it leads to."""
        match = self._router.find(method, target)
        served = None
        if self._others and match.params:
            served = self._others.get(match.params.get("model", ""))
            match = match if served is None else served.router.find(method, target)
        if self._keys is not None or self._crowded:
            refused = self._refused(headers)
            match = _for_everybody(match, refused) if refused is not None else match
            keep_alive = keep_alive and not self._crowded
        return make_head(method, match, headers, version, keep_alive=keep_alive, served=served)

    def refused(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Optional[ServerError]:
        """Why a request is not answered, whose body may not have been sent yet; None where it may be."""
        refused = self._refused(headers)
        return _for_everybody(self._router.find(method, target), refused).refused if refused is not None else None

    def _refused(self, headers: Mapping[bytes, bytes]) -> Optional[ServerError]:
        """Why nothing but what is public is answered."""
        if not self._opened:
            return None
        if self._crowded:
            return Crowded("this server has as many connections as it takes; come back later", retry_after=1)
        refusal = self._keys.refusal(headers) if self._keys is not None else ""
        return Unauthorized(refusal) if refusal else None


def _for_everybody(match: Match, refused: ServerError) -> Match:
    """What those get who are refused: the same place, which says nothing but that, unless it is public."""
    routes = match.routes
    if routes and all(bound.route.public for bound in routes):
        return match if match.only is None or match.only.route.public is True else _in_public(match, match.only)
    owner = routes[-1].protocol if routes else match.owner  # who takes what others on that path leave
    return Match(match.path, match.query, match.params, None, (), (), owner, refused)


def _in_public(match: Match, bound: Bound) -> Match:
    """The place with the answer that is for everybody."""
    public = msgspec.structs.replace(bound, answer=bound.route.public)
    return Match(match.path, match.query, match.params, public, (public,), match.allowed, match.owner)
