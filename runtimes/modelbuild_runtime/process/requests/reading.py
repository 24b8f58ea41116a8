"""Reading a body that is large or compressed, or whose route takes long; perhaps beside the loop."""

from __future__ import annotations

from contextlib import nullcontext
from time import monotonic

from modelbuild_runtime.errors import DeadlineExceeded
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.heads import Head
from modelbuild_runtime.http.limits import Limits, admit, inflate, is_json
from modelbuild_runtime.http.patience import deadline
from modelbuild_runtime.http.router import Bound
from modelbuild_runtime.process.host.memory import uncollected
from modelbuild_runtime.process.requests.large import LARGE

_MOST_SAID = 100_000
"""Values in a body that asks for no prediction: of those few have more than ten."""


def read(exchange: Exchange, bound: Bound, head: Head, limits: Limits, timeout: float) -> None:
    """Inflate the body, and decode and check what asks for a prediction; small bodies need less, and take another way.

    Raises:
        ServerError: the body cannot be read, or nobody waits any more.
    """
    http, received = exchange.http, exchange.received
    latest = received + timeout
    if head.patience:
        latest = deadline(received, head.patience, latest)
    if exchange.cancelled or monotonic() > latest:
        raise DeadlineExceeded("the deadline passed before the body was read")
    if head.content_encoding is not None:
        http.body = inflate(http.body, head.content_encoding, limits)
    if not bound.predicts:
        if is_json(http.body):
            admit(http.body, head.content_type, limits._replace(elements=min(limits.elements, _MOST_SAID)))
        return
    if not bound.counts:
        admit(http.body, head.content_type, limits)
    with uncollected if len(http.body) >= LARGE else nullcontext():
        exchange.request = request = bound.decode(http)
        if head.patience:
            request.deadline = deadline(received, head.patience, request.deadline)
        exchange.served.prepare(exchange)
