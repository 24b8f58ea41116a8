"""Responses that are not written as usual: large ones, those in parts, to who speaks HTTP/1.0 or wants no body, and the
last of a connection.
"""

from __future__ import annotations

from typing import Iterator

from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.pump import Pump, Sink
from modelbuild_runtime.http.wire import CHUNKED, CLOSE, KEEP_ALIVE, LARGE, render


def lay_out(exchange: Exchange, response: HttpResponse, *, draining: bool) -> None:
    """Put the bytes of a response where its connection finds them; ``draining``: the server stops."""
    if draining:
        exchange.keep_alive = False
    connection = CLOSE if not exchange.keep_alive else KEEP_ALIVE if exchange.version == "1.0" else b""
    no_body = exchange.http.method == "HEAD"
    large = len(response.body) >= LARGE
    exchange.data = render(response, exchange.id, connection, head=no_body or large)
    if large and not no_body:
        exchange.rest = response.body  # written by itself, so that it is not copied


def lay_out_parts(
    exchange: Exchange, response: HttpResponse, parts: Iterator[bytes], sink: Sink, *, draining: bool
) -> None:
    """The same for a response in parts, which ``sink`` takes. Whoever speaks HTTP/1.0 knows its end by the end of the
    connection.
    """
    if draining or exchange.version == "1.0":
        exchange.keep_alive = False
    framing = b"" if exchange.version == "1.0" else CHUNKED
    exchange.data = render(response, exchange.id, framing + (b"" if exchange.keep_alive else CLOSE))
    exchange.pump = Pump(exchange.id, exchange.trace, parts, exchange.served.resume, sink)
