"""What a connection takes for requests, against another implementation of HTTP/1.1: h11. Where a proxy that reads as h11
does would see no request, or another one, somebody's request could be slipped behind somebody else's.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any, NamedTuple

import h11

from runtime.wires import Client

_LONGEST = 1 << 20


class Seen(NamedTuple):
    """One request as somebody read it; fields of one name are joined."""

    method: bytes
    target: bytes
    fields: dict[bytes, bytes]
    body: bytes


def check_framing(data: bytes, cut: int = 0) -> None:
    """All that is taken here h11 sees, too, one after the other. ``cut`` says into which pieces the bytes are cut."""
    client = Client(max_body=1 << 16)
    taken = _note(client)
    for piece in _pieces(data, cut):
        if not client.transport.closed:
            client.send(piece)
    others = _read(data)
    for number, (here, there) in enumerate(zip(taken, chain(others, repeat(None)), strict=False)):
        assert here == there, f"request {number} is {here}, and to h11 {there}"
    client.connection.connection_lost(None)
    assert client.app.held == 0


def _note(client: Client) -> list[Seen]:
    """The requests that the application is handed."""
    taken: list[Seen] = []
    targets: dict[int, bytes] = {}
    routes, accept = client.app.routes, client.app.accept
    make = routes.head

    def made(method: bytes, target: bytes, *more: Any, **named: Any) -> Any:
        head = make(method, target, *more, **named)
        targets[id(head)] = target
        heads.append(head)  # so that no other one gets its id
        return head

    def accepted(connection: Any, head: Any, body: bytes) -> None:
        taken.append(Seen(head.method.encode(), targets[id(head)], _plain(head.headers), bytes(body)))
        accept(connection, head, body)

    heads: list[Any] = []
    routes.head = made  # type: ignore[method-assign]
    client.app.accept = accepted  # type: ignore[method-assign]
    return taken


def _pieces(data: bytes, cut: int) -> list[bytes]:
    """In one, byte by byte, or in equal pieces."""
    size = len(data) if cut in (0, 255) else cut
    return [data[at : at + size] for at in range(0, len(data), size or 1)]


def _read(data: bytes) -> list[Seen]:
    seen = []
    while data := data.lstrip(b"\r\n"):  # empty lines before a request are nothing (RFC 9112, 2.2)
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST)
        reader.receive_data(data)
        try:
            head = reader.next_event()
            body = b""
            while isinstance(event := reader.next_event(), h11.Data):
                body += bytes(event.data)
        except h11.RemoteProtocolError:
            break
        if not isinstance(event, h11.EndOfMessage):
            break
        fields: dict[bytes, bytes] = {}
        for name, value in head.headers:
            fields[name] = fields[name] + b", " + value if name in fields else value
        seen.append(Seen(head.method, head.target, _plain(fields), body))
        if reader.their_state is h11.MUST_CLOSE:
            break
        data = reader.trailing_data[0]
    return seen


def _plain(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Without those that are answered before the request is handed on; h11 writes codings in lower case."""
    kept = {name: value for name, value in fields.items() if name not in (b"upgrade", b"expect")}
    return {name: value.lower() if name == b"transfer-encoding" else value for name, value in kept.items()}
