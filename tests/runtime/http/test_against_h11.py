"""Heads and bodies put together from what smugglers use: what is taken here, h11 reads in the same way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.differential import check_framing
from runtime.test_connection_limits import SMUGGLING

LINES = st.sampled_from(
    [
        b"POST /predict HTTP/1.1",
        b"POST /predict HTTP/1.0",
        b"GET /health/ready HTTP/1.1",
        b"HEAD /a HTTP/1.1",
        b"POST http://b/predict HTTP/1.1",
        b"GET http://b@c:1/ HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT a:80 HTTP/1.1",
    ]
)
ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\0\r\n", b" \r\n", b"\t\r\n"])
COLONS = st.sampled_from([b": "] * 8 + [b":", b" :", b"\t: ", b":\t", b": \x0b", b":\x0c ", b"\xa0: ", b":\r\n "])
FRAMING = [b"Content-Length", b"content-length", b"Transfer-Encoding", b"TRANSFER-ENCODING", b"Host", b"Connection"]
ALMOST = [b"Transfer_Encoding", b"Content_Length", b"Content-Length\0", b"Trailer", b"Expect", b"Upgrade", b"X", b""]
NAMES = st.sampled_from([*FRAMING, *ALMOST])
LENGTHS = [
    b"0",
    b"1",
    b"3",
    b"9",
    b"03",
    b"+3",
    b"-3",
    b"3 ",
    b"3,3",
    b"3, 3",
    b"3 3",
    b"0x3",
    b"3\0",
    b"\xb3",
    b"1e1",
    b"3_0",
]
CODINGS = [b"chunked", b"Chunked", b"chunked ", b"chunked, chunked", b"identity", b"gzip, chunked", b"chunked;q=1"]
CODINGS += [b"chunked, identity", b"identity, chunked"]
NO_CODINGS = [b"xchunked", b'"chunked"', b"chunked\x0b", b"\x0bchunked", b"chunked,", b",chunked"]
WORDS = [b"", b"close", b"keep-alive", b"upgrade", b"h2c", b"100-continue"]
TEXTS = [b"a", b"a b", b"a\rb", b"a\nb", b"a\0b", b"a\x7fb", b"a\x01b", b"\xff"]
VALUES = st.sampled_from([*LENGTHS, *CODINGS, *NO_CODINGS, *WORDS, *TEXTS])
SIZES = st.sampled_from(
    [
        b"3",
        b"03",
        b"3 ",
        b" 3",
        b"3;a",
        b"3;a=b",
        b'3;a="b\r\n"',
        b"3;\n",
        b"0x3",
        b"+3",
        b"3\t",
        b"3\0",
        b"",
        b"g",
        b"3_",
        b"fffffffff3",
    ]
)
BODIES = st.sampled_from(
    [
        b"",
        b"a",
        b"abc",
        b"[[1,2,3]]",
        b"abc\r\n",
        b"0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
)
TRAILERS = st.sampled_from(
    [
        b"",
        b"X: 1\r\n",
        b"Content-Length: 3\r\n",
        b"X : 1\r\n",
        b" X: 1\r\n",
        b"X: 1\n",
        b"Transfer-Encoding: chunked\r\n",
        b":\r\n",
    ]
)


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    return draw(NAMES) + draw(COLONS) + draw(VALUES) + draw(ENDS)


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """A body in pieces, right or nearly."""
    parts = [draw(SIZES) + draw(ENDS) + b"abc" + draw(ENDS) for _ in range(draw(st.integers(0, 2)))]
    return b"".join(
        [*parts, draw(st.sampled_from([b"0", b"00", b"0;a", b"0 "])), draw(ENDS), draw(TRAILERS), draw(ENDS)]
    )


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    host = draw(st.sampled_from([b"Host: a\r\n"] * 6 + [b"", b"Host : a\r\n", b"Host: a\r\nHost: b\r\n"]))
    head = draw(LINES) + draw(ENDS) + host + b"".join(draw(st.lists(fields(), max_size=3)))
    return head + draw(ENDS) + draw(BODIES | chunks())


@settings(max_examples=600)
@given(st.lists(requests(), min_size=1, max_size=3), st.integers(0, 40))
def test_what_is_put_together(parts, cut):
    check_framing(b"".join(parts), cut)


GOOD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n[[1,2,3]]"


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
@pytest.mark.parametrize("cut", [0, 1, 7])
def test_what_is_known(data, cut):
    check_framing(GOOD + data + GOOD, cut)


@settings(max_examples=200)
@given(st.lists(st.sampled_from([GOOD, *SMUGGLING.values()]), max_size=4), st.data())
def test_any_byte_in_any_place(parts, data):
    body = bytearray(b"".join(parts) + GOOD)
    at = data.draw(st.integers(0, len(body)))
    body[at : at + data.draw(st.integers(0, 1))] = bytes([data.draw(st.integers(0, 255))])
    check_framing(bytes(body), data.draw(st.integers(0, 20)))
