"""Heads that are known but for what the request is called mean what they would mean to who never saw one."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.protocols import Route
from runtime.wires import Client

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033%02x-01"
NAMES = st.sampled_from(
    [b"x-request-id", b"X-Request-ID", b"traceparent", b"Traceparent", b"TRACEPARENT", b"tracestate", b"x-other"]
)
VALUES = st.sampled_from(
    [
        *(
            b"a",
            b"b",
            b"ab",
            b"a b",
            b" a",
            b"a ",
            b"",
            b'"\\',
            b"\xe9",
            b"\x00",
            b"\t",
            b"a\x00b",
            b"a\r\n b",
            b"a\nb: c",
        ),
        *(TRACE % 1, TRACE % 2, b"a, b=c", b"a\r\nx-request-id: b", b"a\r\nContent-Length: 3", b"a" * 200, b"b" * 200),
    ]
)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b": ", b":", b" : ", b":  "]), VALUES), max_size=3)


class Told:
    """A client, and what a handler sees of its requests."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.client = Client(Route("POST", "/keep", self._keep))

    def _keep(self, http: Any) -> HttpResponse:
        given = http.id if b"x-request-id" in http.headers and http.id.encode() in http.headers.values() else "made"
        self.seen.append((dict(http.headers), given))
        return HttpResponse(200)

    def ask(self, data: bytes) -> tuple[Any, ...]:
        """The last answer, and all that was seen. A connection is new for each request."""
        del self.seen[:]
        client = self.client.another()
        client.send(data)
        answers = [(status, body) for status, _, body in client.responses]
        return answers, list(self.seen), client.transport.closed


def head(fields: list[tuple[bytes, bytes, bytes]], last: bool) -> bytes:
    lines = [b"Host: a", *[name + colon + value for name, colon, value in fields]]
    lines.insert(len(lines) if last else 1, b"Content-Length: 0")
    return b"\r\n".join([b"POST /keep HTTP/1.1", *lines, b"", b""])


@given(st.lists(st.tuples(FIELDS, st.booleans()), min_size=1, max_size=6))
@example([([(b"x-request-id", b": ", b"a")], False), ([(b"x-request-id", b": ", b"b")], False)])
@example([([(b"traceparent", b": ", TRACE % 1)], True), ([(b"traceparent", b": ", TRACE % 2)], True)])
@example([([(b"tracestate", b": ", b"ab")], True), ([(b"tracestate", b": ", b"a ")], True)])
@example(
    [
        ([(b"traceparent", b": ", b"a")] * 2, True),
        ([(b"traceparent", b": ", b"b"), (b"traceparent", b": ", b"a")], True),
    ]
)
def test_a_head_means_the_same_whatever_came_before(heads):
    told = Told()
    for one in [*heads, *heads]:
        assert told.ask(head(*one)) == Told().ask(head(*one)), one


def test_they_are_not_parsed_again():
    told = Told()
    first, second = (
        head([(b"traceparent", b": ", TRACE % at), (b"X-Request-ID", b": ", b"%d" % at)], False) for at in (1, 2)
    )
    known = told.client.app.routes.known_heads
    told.ask(first)
    assert known.like(second) is not None
    assert known.like(second[:-4] + b" \r\n\r\n") is None
    assert told.ask(second)[1][0][1] == "2"
    assert known.like(first).headers[b"traceparent"] == TRACE % 1
    known.clear()
    assert known.like(first) is None


def test_who_writes_names_in_another_way_pushes_out_nobody():
    told = Told()
    for at in range(3):
        told.ask(head([(b"traceparent", b" : ", TRACE % at)], False))
    assert not told.client.app.routes.known_heads._layouts


def test_of_heads_that_are_like_one_another_a_few_are_kept():
    told = Told()
    for length in range(1, 100):
        for host in b"abcdef":
            text = head([(b"traceparent", b": ", b"a" * length)], False)
            told.ask(text.replace(b"Host: a", b"Host: " + bytes([host])))
    kept = [layout.heads for layouts in told.client.app.routes.known_heads._layouts.values() for layout in layouts]
    assert 0 < sum(map(len, kept)) <= 256
