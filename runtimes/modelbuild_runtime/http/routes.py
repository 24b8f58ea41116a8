"""What one listener answers: its routes, the heads that led to them, and who may ask."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Callable, Dict, Mapping, NamedTuple

from modelbuild_runtime.errors import Unauthorized
from modelbuild_runtime.http.heads import Head, KnownHeads, make_head
from modelbuild_runtime.http.router import Match, Router

if TYPE_CHECKING:
    from modelbuild_runtime.dataplane.batcher import Job


class Served(NamedTuple):
    """A model that predicts: its routes, the check of a request against its contract, and its queue. ``resume`` takes
    jobs of answers that have begun; ``admit`` is asked before a request is even decoded.
    """

    router: Router
    prepare: Callable[[Job], None]
    submit: Callable[[Job], None]
    resume: Callable[[Job], None]
    admit: Callable[[], None]


class Routes:
    """``others`` are further models, by the name that a request's path may hold. With a ``token``, whoever asks must
    bear it.
    """

    def __init__(self, router: Router, others: Mapping[str, Served], token: str = "") -> None:
        self.known_heads = KnownHeads()
        self._router = router
        self._others = others
        self._token = token.encode()

    def open(self, router: Router) -> None:
        """Answer other routes from now on."""
        self._router = router
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
        if self._token and not self._borne(headers):
            match = _refused(match)
        return make_head(method, match, headers, version, keep_alive=keep_alive, served=served)

    def _borne(self, headers: Mapping[bytes, bytes]) -> bool:
        kind, _, value = headers.get(b"authorization", b"").partition(b" ")
        return hmac.compare_digest(value.strip(), self._token) and kind.lower() == b"bearer"


def _refused(match: Match) -> Match:
    """The same place, which says nothing but that a token is missing."""
    refusal = Unauthorized("this needs the header Authorization: Bearer with the server's token")
    owner = match.routes[0].protocol if match.routes else match.owner
    return Match(match.path, match.query, match.params, None, (), (), owner, refusal)
