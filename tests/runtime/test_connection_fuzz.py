"""Whatever bytes arrive, in whatever pieces: no exception, and well-formed responses only."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.wires import Client, request

BODIES = st.lists(st.integers(0, 600), min_size=3, max_size=3).map(lambda row: str([row]).encode())
FIELDS = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: h2c",
        b"Content-Encoding: gzip",
        b"Host: other",
        b"X-Request-Id: abc",
        b" folded",
        b"bad field: 1",
        b"Content-Length : 3",
        b": empty",
    ]
)
WORDS = st.one_of(
    st.binary(max_size=40),
    FIELDS.map(lambda field: field + b"\r\n"),
    st.sampled_from(
        [b"POST /predict HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"\r\n", b"\r\n\r\n", b"Host: a\r\n", b"[[1,2,3]]"]
    ),
    BODIES.map(request),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=6), st.lists(st.integers(0, 10_000), max_size=8))
def test_requests_split_anywhere_are_answered_each_with_its_own_sum(bodies, cuts):
    data = b"".join(request(body) for body in bodies)
    client = Client().send(*pieces(data, cuts))
    sums = [b'{"y":[%d.0]}' % sum(int(number) for number in body.strip(b"[]").split(b",")) for body in bodies]
    assert [(status, body) for status, _, body in client.responses] == [(200, one) for one in sums]


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=12), st.lists(st.integers(0, 10_000), max_size=6))
def test_nonsense_is_refused_or_waits_for_more(words, cuts):
    data = b"".join(words)
    client = Client(max_body=1000, max_head=2000).send(*pieces(data, cuts))
    for status, headers, _ in client.responses:
        assert status in {200, 400, 404, 405, 413, 415, 417, 429, 431, 500, 501, 505}
        assert headers["x-request-id"]
    whole = Client(max_body=1000, max_head=2000).send(data)
    assert [status for status in whole.statuses if status != 500] == [s for s in client.statuses if s != 500]
    client.patrol(100)
    client.connection.connection_lost(None)
    assert client.app.in_flight == 0
    assert client.app.held == 0
