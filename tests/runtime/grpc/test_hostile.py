"""Peers that break the rules of HTTP/2, or wear the server out within them."""

from __future__ import annotations

import struct

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelbuild_runtime.grpc import frames
from modelbuild_runtime.grpc.frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    frame,
)
from runtime.grpc.wires import Client, Peer, block, check_survival, goaway, message, opening

WORD = struct.Struct(">I").pack
CALL = opening() + frame(frames.DATA, 1, 1, message())


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(frames.DATA, 0, 0, b"a"), PROTOCOL_ERROR),
        (frame(frames.DATA, 0, 2, b"a"), PROTOCOL_ERROR),
        (frame(frames.DATA, 0, 5, b"a"), PROTOCOL_ERROR),
        (opening() + frame(frames.DATA, frames.PADDED, 1, b"\x04abc"), PROTOCOL_ERROR),
        (opening() + frame(frames.DATA, frames.PADDED, 1, b""), PROTOCOL_ERROR),
        (opening(0), PROTOCOL_ERROR),
        (opening(2), PROTOCOL_ERROR),
        (frame(frames.HEADERS, 4 | frames.PADDED, 1, b"\xff" + block()), PROTOCOL_ERROR),
        (frame(frames.HEADERS, 4 | frames.WITH_PRIORITY, 1, b"abc"), FRAME_SIZE_ERROR),
        (frame(frames.HEADERS, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), COMPRESSION_ERROR),
        (frame(frames.HEADERS, 4, 1, b"\xc0"), COMPRESSION_ERROR),
        (frame(frames.HEADERS, 4, 1, b"\x00\x7f\xff"), COMPRESSION_ERROR),
        (frame(frames.HEADERS, 4, 1, b"\x3f\xe1\xff\x03"), COMPRESSION_ERROR),
        (opening(flags=0) + frame(frames.DATA, 1, 1), PROTOCOL_ERROR),
        (opening(flags=0) + frame(frames.CONTINUATION, 4, 3), PROTOCOL_ERROR),
        (opening(flags=0) + frame(0x42, 0, 0), PROTOCOL_ERROR),
        (frame(frames.CONTINUATION, 4, 1, block()), PROTOCOL_ERROR),
        (frame(frames.PRIORITY, 0, 0, b"12345"), PROTOCOL_ERROR),
        (frame(frames.PRIORITY, 0, 1, b"1234"), FRAME_SIZE_ERROR),
        (frame(frames.RST_STREAM, 0, 0, WORD(8)), PROTOCOL_ERROR),
        (frame(frames.RST_STREAM, 0, 1, WORD(8)), PROTOCOL_ERROR),
        (opening() + frame(frames.RST_STREAM, 0, 1, b"123"), FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, 0, 1), PROTOCOL_ERROR),
        (frame(frames.SETTINGS, 0, 0, b"12345"), FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, 1, 0, b"123456"), FRAME_SIZE_ERROR),
        (frames.settings((frames.ENABLE_PUSH, 2)), PROTOCOL_ERROR),
        (frames.settings((frames.INITIAL_WINDOW_SIZE, 1 << 31)), FLOW_CONTROL_ERROR),
        (frames.settings((frames.MAX_FRAME_SIZE, 16_383)), PROTOCOL_ERROR),
        (frames.settings((frames.MAX_FRAME_SIZE, 1 << 24)), PROTOCOL_ERROR),
        (frame(frames.PUSH_PROMISE, 4, 1, WORD(2) + block()), PROTOCOL_ERROR),
        (frame(frames.PING, 0, 1, b"12345678"), PROTOCOL_ERROR),
        (frame(frames.PING, 0, 0, b"1234567"), FRAME_SIZE_ERROR),
        (frame(frames.GOAWAY, 0, 1, WORD(0) * 2), PROTOCOL_ERROR),
        (frame(frames.GOAWAY, 0, 0, WORD(0)), FRAME_SIZE_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, b"123"), FRAME_SIZE_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, WORD(0)), PROTOCOL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 1, WORD(1)), PROTOCOL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 2, WORD(1)), PROTOCOL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, WORD((1 << 31) - 1)), FLOW_CONTROL_ERROR),
        (frames.head(frames.DATA, 0, 1, (1 << 16) + 1), FRAME_SIZE_ERROR),
        (opening(3) + opening(1), STREAM_CLOSED),
    ],
)
def test_what_ends_the_connection(sent, code):
    peer = Peer(Client(hold=True))
    answered = peer.send(sent)
    assert goaway(answered) == code
    assert answered[-1][0] == frames.GOAWAY
    assert peer.transport.ended
    assert peer.send(CALL) == [], "nobody listens any more"
    assert peer.connection.pending == []
    assert all(job.cancelled for job in peer.queue.jobs)
    peer.connection.patrol(peer.app.now + 3)
    assert peer.transport.aborted


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (opening(te="gzip"), PROTOCOL_ERROR),
        (opening(connection="keep-alive"), PROTOCOL_ERROR),
        (opening(Upper="a"), PROTOCOL_ERROR),
        (opening(x_y="a\nb"), PROTOCOL_ERROR),
        (opening(x_y=" a"), PROTOCOL_ERROR),
        (opening(path=""), PROTOCOL_ERROR),
        (opening(method=""), PROTOCOL_ERROR),
        (opening(scheme=""), PROTOCOL_ERROR),
        (frame(frames.HEADERS, 4, 1, block() + b"\x82"), PROTOCOL_ERROR),  # a pseudo-header field behind others
        (frame(frames.HEADERS, 4, 1, b"\x83\x83" + block()), PROTOCOL_ERROR),
        (frame(frames.HEADERS, 4, 1, b"\x88" + block()), PROTOCOL_ERROR),
        (opening(content_length="3") + frame(frames.DATA, 1, 1, message()), PROTOCOL_ERROR),
        (opening() + opening(), PROTOCOL_ERROR),  # trailers that are not the end
        (opening() + frame(frames.HEADERS, 5, 1, b"\x82"), PROTOCOL_ERROR),
        (opening() + frame(frames.WINDOW_UPDATE, 0, 1, WORD(0)), PROTOCOL_ERROR),
        (opening() + frame(frames.WINDOW_UPDATE, 0, 1, WORD((1 << 31) - 1)), FLOW_CONTROL_ERROR),
        (CALL + frame(frames.DATA, 0, 1, b"a"), STREAM_CLOSED),
        (CALL + opening(flags=5), STREAM_CLOSED),
    ],
)
def test_what_ends_the_stream(sent, code):
    peer = Peer(Client(hold=True))
    assert peer.send(sent)[-1] == (frames.RST_STREAM, 0, 1, WORD(code))
    peer.send(opening(3) + frame(frames.DATA, 1, 3, message()))
    peer.queue.answer(-1)
    assert any(b"[6.0]" in payload for _, _, stream, payload in peer.read() if stream == 3), "other streams go on"
    assert not peer.connection.session.streams


def test_more_than_the_windows_allow():
    held = b"\0\0\x40\0\0" + b"x" * 60_000  # of a message that is not complete: the window opens again
    peer = Peer(Client())
    peer.send(opening(path="/fake.Service/Echoes"))
    peer.connection.session.streams[1].incoming.credit = 60_000
    assert peer.send(frame(frames.DATA, 0, 1, held)) == [(frames.RST_STREAM, 0, 1, WORD(FLOW_CONTROL_ERROR))]
    peer.connection.session._credit = 100
    assert goaway(peer.send(opening(3) + frame(frames.DATA, 0, 3, b"x" * 101))) == FLOW_CONTROL_ERROR


@pytest.mark.parametrize(
    "asking_for_nothing",
    [
        frame(frames.PING, 0, 0, b"12345678"),
        frame(frames.PING, 1, 0, b"12345678"),
        frames.settings(),
        frames.settings((frames.INITIAL_WINDOW_SIZE, 1)),
        frame(frames.PRIORITY, 0, 1, b"12345"),
        frame(0x42, 0, 0, b"unknown"),
        frame(0x42, 0, 9, b""),
        frame(frames.WINDOW_UPDATE, 0, 0, WORD(1)),
    ],
)
def test_floods(asking_for_nothing):
    peer = Peer(Client())
    assert goaway(peer.send(asking_for_nothing * 900)) is None
    assert goaway(peer.send(asking_for_nothing * 200)) == ENHANCE_YOUR_CALM


def test_floods_of_empty_frames():
    assert goaway(Peer(Client()).send(opening() + frame(frames.DATA, 0, 1) * 1001)) == ENHANCE_YOUR_CALM
    assert goaway(Peer(Client()).send(opening(flags=0) + frame(frames.CONTINUATION, 0, 1) * 1001)) == ENHANCE_YOUR_CALM


def test_calls_that_are_opened_and_cancelled_in_a_flood():
    peer = Peer(Client(hold=True))
    for stream in range(1, 4001, 2):
        call = opening(stream) + frame(frames.DATA, 1, stream, message())
        if goaway(peer.send(call + frame(frames.RST_STREAM, 0, stream, WORD(8)))) is not None:
            break
    assert all(job.cancelled for job in peer.queue.jobs)
    assert 0 < len(peer.queue.jobs) < 1100


@pytest.mark.parametrize(
    "broken",
    [
        lambda stream: frame(frames.WINDOW_UPDATE, 0, stream, WORD(0)),
        lambda stream: frame(frames.DATA, 0, stream, b"a"),
        lambda stream: opening(stream, flags=5),
    ],
)
def test_calls_that_the_server_is_made_to_break_off_in_a_flood(broken):
    """As CVE-2025-8671 (MadeYouReset) has it."""
    peer = Peer(Client(hold=True))
    for stream in range(1, 4001, 2):
        call = opening(stream) + frame(frames.DATA, 1, stream, message())
        if goaway(peer.send(call + broken(stream))) is not None:
            break
    assert peer.transport.ended
    assert len(peer.queue.jobs) < 1100


def test_header_blocks_for_streams_that_were_broken_off():
    peer = Peer(Client(hold=True))
    peer.send(opening() + frame(frames.WINDOW_UPDATE, 0, 1, WORD(0)))
    assert goaway(peer.send(opening(flags=5) * 1001)) == ENHANCE_YOUR_CALM


def test_a_window_that_opens_byte_by_byte():
    """As CVE-2019-9511 (Data Dribble) has it."""
    peer = Peer(Client())
    peer.send(frames.settings((frames.INITIAL_WINDOW_SIZE, 0)))
    peer.send(opening(path="/fake.Service/Echo") + frame(frames.DATA, 1, 1, message(b"a" * 4000)))
    drops = [frame(frames.WINDOW_UPDATE, 0, 1, WORD(1))] * 1500
    assert goaway(peer.send(b"".join(drops))) == ENHANCE_YOUR_CALM


def test_acknowledging_what_was_sent_is_no_flood():
    client = Client()
    for _ in range(3):
        assert len(client.call(b"a" * (60 << 14), path="/fake.Service/Echo").messages[0]) == 60 << 14
    peer = Peer(client)
    peer.send(frames.settings((frames.INITIAL_WINDOW_SIZE, 1024)))
    asked = message(b"a" * 630 * 1024)
    peer.send(opening(path="/fake.Service/Echo"))
    for at in range(0, len(asked), 1 << 14):
        peer.send(frame(frames.DATA, at + (1 << 14) >= len(asked), 1, asked[at : at + (1 << 14)]))
    for _ in range(620):
        assert goaway(peer.send(frames.window_update(1, 1024) + frames.window_update(0, 1024))) is None


def test_acknowledging_each_of_many_small_parts_is_no_flood():
    peer = Peer(Client())
    peer.send(opening(path="/fake.Service/Echoes"))
    for _ in range(3000):
        assert goaway(peer.send(frame(frames.DATA, 0, 1, message(b"a")) + frames.window_update(1, 1))) is None
        # As gRPC's C++ clients do: a first part for the stream before the message is read, the rest with the connection's.
        assert goaway(peer.send(frames.window_update(1, 5) + frames.window_update(0, 6))) is None


def test_many_settings_in_one_frame_are_applied_once():
    peer = Peer(Client(hold=True))
    peer.send(b"".join([opening(stream) for stream in range(1, 200, 2)]))
    applied = []
    apply = type(peer.connection.session.room)._set_first_window
    type(peer.connection.session.room)._set_first_window = lambda self, size: (applied.append(size), apply(self, size))
    try:
        peer.send(frames.settings(*[(frames.INITIAL_WINDOW_SIZE, 10 + at % 2) for at in range(9001)]))
    finally:
        type(peer.connection.session.room)._set_first_window = apply
    assert applied == [10]


def test_a_header_block_that_comes_drop_by_drop():
    peer = Peer(Client())
    peer.send(opening(flags=0))
    for _ in range(3):
        peer.app.now += 3
        peer.send(frame(frames.CONTINUATION, 0, 1, b"a"))
        peer.connection.patrol(peer.app.now)
        assert not peer.transport.ended
    peer.connection.patrol(peer.app.now + 3)
    assert peer.transport.ended


def test_cancelling_now_and_then_is_forgiven():
    peer = Peer(Client())
    for stream in range(1, 5001, 2):
        assert goaway(peer.send(opening(stream) + frame(frames.RST_STREAM, 0, stream, WORD(8)))) is None
        if stream % 400 == 1:
            peer.connection.patrol(peer.app.now)


def test_header_blocks_that_grow():
    sent = opening(flags=0) + frame(frames.CONTINUATION, 0, 1, b"a" * 20_000) * 2
    assert goaway(Peer(Client()).send(sent)) == ENHANCE_YOUR_CALM
    large = bytes(hpack.Encoder().encode([("x-large", "a" * 3000)]))
    sent = frame(frames.HEADERS, 5, 1, large + b"\xbe" * 100)  # one byte that means three thousand
    assert goaway(Peer(Client()).send(sent)) == ENHANCE_YOUR_CALM


def test_more_streams_than_agreed():
    peer = Peer(Client(hold=True))
    assert peer.send(b"".join([opening(stream) for stream in range(1, 2 * 1024, 2)])) == []
    assert peer.send(opening(2 * 1024 + 1)) == [(frames.RST_STREAM, 0, 2 * 1024 + 1, WORD(frames.REFUSED_STREAM))]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST /v2/models/m/infer HTTP/1.0\r\n", b"HTTP/1.1 400 "),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"\x00\x00"),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\x00\x00"),
    ],
)
def test_another_protocol_than_http2(sent, answer):
    peer = Peer(Client(), greeted=False)
    peer.connection.data_received(sent)
    assert peer.transport.written.startswith(answer)
    assert peer.transport.closed or peer.transport.ended
    if answer.startswith(b"HTTP"):
        head, _, body = peer.transport.written.partition(b"\r\n\r\n")
        assert head.endswith(b"content-length: %d" % len(body))


@pytest.mark.parametrize("sent", [b"", b"PRI * HT", frames.PREFACE + b"\0\0\1", frames.PREFACE + opening(flags=0)])
def test_a_client_that_says_nothing_or_half_of_it(sent):
    peer = Peer(Client(), greeted=False)
    peer.connection.data_received(sent)
    peer.connection.patrol(peer.app.now + 9)
    assert not peer.transport.ended
    peer.connection.patrol(peer.app.now + 11)
    assert peer.transport.ended


def test_a_client_that_waits_for_its_first_call():
    peer = Peer(Client())
    peer.connection.patrol(peer.app.now + 600)
    assert not peer.transport.closed


# Differential: known blocks against a decoder that knows none

NAMES = st.sampled_from(["x-a", "x-b", "grpc-timeout", "te", "user-agent"])
BLOCKS = st.lists(
    st.tuples(
        st.lists(st.tuples(NAMES, st.sampled_from(["1", "2S", "trailers", "a" * 900])), max_size=5), st.booleans()
    ),
    max_size=30,
)


@given(BLOCKS)
@settings(deadline=None)
def test_blocks_mean_what_another_decoder_says_whatever_was_remembered(sequence):
    client, encoder, other = Client(), hpack.Encoder(), hpack.Decoder()
    calls = client.connection.session._calls
    for fields, resize in sequence:
        if resize:
            encoder.header_table_size = 100 if encoder.header_table_size != 100 else 4096
        sent = [(":method", "POST"), (":scheme", "http"), (":path", "/fake.Service/Echo"), *dict(fields).items()]
        encoded = bytes(encoder.encode(sent))
        expected = {name: value for name, value in other.decode(encoded, raw=True) if not name.startswith(b":")}
        if expected.get(b"te") not in {None, b"trailers"}:
            with pytest.raises(frames.StreamViolation):  # malformed, and decoded all the same
                calls.read(encoded)
            continue
        assert calls.read(encoded).head.headers == expected


# Fuzz

FRAMES = st.builds(
    frame,
    st.one_of(st.integers(0, 9), st.integers(0, 255)),
    st.one_of(st.integers(0, 15), st.integers(0, 255)),
    st.one_of(st.sampled_from([0, 1, 3, 5, 2]), st.integers(0, (1 << 32) - 1)),
    st.one_of(
        st.binary(max_size=40),
        st.just(block()),
        st.just(block(path="/fake.Service/Chat")),
        st.just(block(path="/fake.Service/Parts")),
        st.just(block(path="/fake.Service/Watch")),
        st.just(message()),
        st.just(message(b"[[1]]", 1)),
        st.integers(0, (1 << 32) - 1).map(WORD),
    ),
)


@given(st.lists(FRAMES, max_size=40), st.integers(1, 60), st.booleans())
@settings(deadline=None, max_examples=400)
def test_no_frames_break_the_server(sequence, size, hold):
    check_survival(Peer(Client(hold=hold)), b"".join(sequence), size)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_bytes_break_the_server(data):
    peer = Peer(Client(), greeted=False)
    peer.connection.data_received(data)
    peer.connection.connection_lost(None)
    assert peer.app.held == 0
