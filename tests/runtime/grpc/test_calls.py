"""Calls over HTTP/2: what a client that keeps to the rules gets."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from modelbuild_runtime.grpc import frames
from runtime.grpc.wires import MESSAGE, Client, message, read_frames


def test_a_call_and_its_answer():
    answer = Client().call()
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"] == "application/grpc"
    assert answer.messages == [b"[6.0]"]
    assert (answer.status, answer.words) == (0, "")
    assert answer.ended
    assert answer.reset is None


def test_many_calls_one_after_the_other_and_their_blocks_are_known():
    client = Client()
    assert [client.call(b"[[%d,0,0]]" % n).messages for n in range(50)] == [[b"[%d.0]" % n] for n in range(50)]
    assert len(client.connection.session._calls._known) == 1


def test_metadata_is_headers_and_headers_are_metadata():
    answer = Client().call(path="/fake.Service/Echo", x_mine="ä b", x_request_id="an-id", content_length="14")
    assert answer.headers["x-mine"] == "b"  # what is not ASCII may not be sent
    assert answer.headers["x-request-id"] == "an-id"


def test_answers_come_when_they_are_there_whatever_was_asked_first():
    client = Client(hold=True)
    streams = [client.open() for _ in range(3)]
    for stream in streams:
        client.send(stream, message(b"[[%d,0,0]]" % stream), end=True)
    assert client.app.in_flight == 3
    for position in (2, 0, 1):
        client.queue.answer(position)
        client.exchange()
        assert client.answer(streams[position]).messages == [b"[%d.0]" % streams[position]]
    assert client.app.in_flight == 0


@pytest.mark.parametrize("size", [1, 2, 7, 9, 23, 40])
def test_bytes_may_come_in_pieces_of_any_size(size):
    client = Client()
    stream = client.h2.get_next_available_stream_id()
    client.open()
    client.h2.send_data(stream, message()[:3])
    client.h2.send_data(stream, b"")
    client.h2.send_data(stream, message()[3:], end_stream=True, pad_length=20)
    data = client.h2.data_to_send()
    for at in range(0, len(data), size):
        client.connection.data_received(data[at : at + size])
    client.exchange()
    assert client.answer(stream).messages == [b"[6.0]"]


def test_the_end_may_come_by_itself_and_with_trailers():
    client = Client()
    first, second = client.open(), client.open()
    for stream in (first, second):
        client.send(stream, message())
        assert not client.answer(stream).ended
    client.send(first, b"", end=True)
    client.h2.send_headers(second, [("x-last", "1")], end_stream=True)
    client.exchange()
    assert client.answer(first).messages == client.answer(second).messages == [b"[6.0]"]


def test_large_messages_both_ways():
    client = Client()
    body = bytes(range(256)) * 12_000  # 3 MB, beyond all of the windows
    answer = client.call(body, path="/fake.Service/Echo")
    assert answer.messages == [body]
    assert answer.status == 0
    assert client.app.held == 0


def test_an_answer_waits_until_the_client_takes_it():
    client = Client()
    client.acknowledge = False
    body = b"x" * 200_000
    answer = client.call(body, path="/fake.Service/Echo")
    received = sum(len(event.data) for event in client.events if hasattr(event, "data"))
    assert received == 65_535
    assert not answer.ended
    small = client.call(b"a", path="/fake.Service/Echo")  # the connection's window is used up
    assert not small.messages
    client.h2.increment_flow_control_window(1000)
    client.exchange()
    assert not client.answer(1).ended
    client.h2.increment_flow_control_window(300_000)
    client.exchange()
    assert not client.answer(1).ended
    assert client.answer(3).messages == [b"a"]
    client.h2.increment_flow_control_window(300_000, 1)
    client.exchange()
    assert client.answer(1).messages == [body]


def test_a_window_that_shrinks_while_an_answer_waits():
    client = Client()
    client.acknowledge = False
    client.h2.update_settings({frames.INITIAL_WINDOW_SIZE: 10})
    client.exchange()
    stream = client.open(path="/fake.Service/Echo")
    client.send(stream, message(b"0123456789"), end=True)
    client.h2.update_settings({frames.INITIAL_WINDOW_SIZE: 2})
    client.exchange()
    client.h2.update_settings({frames.INITIAL_WINDOW_SIZE: 100})
    client.exchange()
    assert client.answer(stream).messages == [b"0123456789"]


def test_an_answer_waits_while_the_socket_is_full():
    client = Client()
    client.connection.pause_writing()
    assert not client.transport.reading
    stream = client.open(path="/fake.Service/Echo")
    client.send(stream, message(b"x" * 100), end=True)
    assert not client.answer(stream).messages
    client.connection.resume_writing()
    client.exchange()
    assert client.answer(stream).messages == [b"x" * 100]
    assert client.transport.reading


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_messages(encoding, compress):
    client = Client()
    stream = client.open(grpc_encoding=encoding)
    client.send(stream, message(compress(MESSAGE), flag=1), end=True)
    assert client.answer(stream).messages == [b"[6.0]"]
    plain = client.open(grpc_encoding=encoding)
    client.send(plain, message(), end=True)
    assert client.answer(plain).messages == [b"[6.0]"]


def test_each_message_of_a_stream_is_answered_in_its_order():
    client = Client(hold=True)
    stream = client.open(path="/fake.Service/Chat")
    client.send(stream, message(b"[[1,0,0]]") + message(b"[[2,0,0]]") + message(b"[[3,0,0]]")[:7])
    client.queue.answer(1)
    client.exchange()
    assert not client.answer(stream).messages
    client.queue.answer(0)
    client.exchange()
    assert client.answer(stream).messages == [b"[1.0]", b"[2.0]"]
    client.send(stream, message(b"[[3,0,0]]")[7:])
    client.send(stream, message(b"no JSON"), end=True)
    client.queue.answer(2)
    client.exchange()
    answer = client.answer(stream)
    assert answer.messages[2] == b"[3.0]"
    assert answer.messages[3].startswith(b"error: ")  # the protocol's shape: the stream goes on
    assert answer.status == 0


def test_a_stream_of_messages_is_not_taken_faster_than_it_is_answered():
    client = Client(hold=True)
    stream = client.open(path="/fake.Service/Chat")
    client.send(stream, message() * 100, end=True)
    assert len(client.queue.jobs) == 64
    for position in range(100):
        client.queue.answer(position)
    client.exchange()
    assert client.answer(stream).messages == [b"[6.0]"] * 100
    assert client.answer(stream).status == 0


def test_a_stream_without_messages():
    client = Client()
    answer = client.answer(client.open(end=True, path="/fake.Service/Chat"))
    assert (answer.status, answer.messages, answer.headers[":status"]) == (0, [], "200")


def test_answers_in_parts():
    client = Client()
    answer = client.call(b"all", path="/fake.Service/Parts")
    assert answer.messages == [b"0", b"1", b"2"]
    assert answer.status == 0
    broken = client.call(b"fail", path="/fake.Service/Parts")
    assert broken.messages == [b"0", b"1"]
    assert (broken.status, broken.words) == (3, "no third")
    assert client.app.metrics.requests["fake", "", 200] == 2  # each once, as it began
    stream = client.open(path="/fake.Service/Lists")
    client.send(stream, message(b"a") + message(b"b"), end=True)
    assert client.answer(stream).messages == [b"0", b"1", b"2"] * 2


def test_parts_wait_until_the_client_takes_them():
    client = Client()
    client.h2.update_settings({frames.INITIAL_WINDOW_SIZE: 8})
    client.exchange()
    client.acknowledge = False
    stream = client.open(path="/fake.Service/Parts")
    client.send(stream, message(b"all"), end=True)
    seen = b"".join(event.data for event in client.events if hasattr(event, "data") and event.stream_id == stream)
    assert len(seen) == 8
    client.h2.increment_flow_control_window(100, stream)
    client.exchange()
    assert client.answer(stream).messages == [b"0", b"1", b"2"]


def test_what_is_watched_is_told_when_it_changes():
    client = Client()
    answer = client.call(b"", path="/fake.Service/Watch")
    assert answer.messages == [b"up"]
    client.patrol(1)
    client.state[0] = b"down"
    client.patrol(1)
    client.patrol(1000)
    answer = client.answer(1)
    assert (answer.messages, answer.ended) == ([b"up", b"down"], False)
    client.connection.drain()
    client.exchange()
    answer = client.answer(1)
    assert (answer.status, answer.words) == (14, "the server stops")
    assert client.transport.closed


@pytest.mark.parametrize("method", ["Predict", "Chat", "Watch"])
def test_a_deadline_ends_the_call_and_the_wait_for_it(method):
    async def ask() -> None:
        client = Client(hold=True)
        stream = client.open(path=f"/fake.Service/{method}", grpc_timeout="20m")
        client.send(stream, message(), end=method != "Chat")
        await asyncio.sleep(0.05)
        client.exchange()
        answer = client.answer(stream)
        assert (answer.status, answer.words) == (4, "the deadline passed before the answer was there")
        assert client.app.in_flight == 0
        assert [job.cancelled for job in client.queue.jobs] == [True] * (method != "Watch")
        asked = "" if method == "Watch" else "m"
        assert client.app.metrics.of(asked).shed_requests["deadline"] == 1

    asyncio.run(ask())


def test_a_call_that_is_cancelled_disturbs_no_other():
    client = Client(hold=True)
    first, second = client.open(), client.open()
    for stream in (first, second):
        client.send(stream, message(), end=True)
    client.h2.reset_stream(first)
    client.exchange()
    assert client.queue.jobs[0].cancelled
    client.queue.answer(0)
    client.queue.answer(1)
    client.exchange()
    assert client.answer(second).messages == [b"[6.0]"]
    assert client.app.in_flight == 0
    assert client.app.metrics.of("m").shed_requests["gone"] == 1


def test_a_client_that_goes_away_gives_up_its_calls():
    client = Client(hold=True)
    client.send(client.open(), message(), end=True)
    client.connection.connection_lost(None)
    assert client.queue.jobs[0].cancelled
    assert not client.app.connections
    client.queue.answer(0)
    assert client.transport.written == b""


def test_ping_is_answered():
    client = Client()
    client.h2.ping(b"12345678")
    client.exchange()
    assert any(getattr(event, "ping_data", b"") == b"12345678" for event in client.events)


def test_the_server_asks_for_no_more_calls_before_it_turns_them_away():
    client = Client(hold=True)
    stream = client.open()
    client.send(stream, message(), end=True)
    client.app.draining = True
    client.patrol(1)
    assert client.goaway == frames.NO_ERROR
    late = frames.frame(frames.HEADERS, 5, stream + 2, b"")
    client.connection.drain()
    client.connection.data_received(late)
    assert not client.transport.closed
    client.queue.answer(0)
    assert client.transport.closed


def test_an_idle_connection_closes_when_the_server_stops():
    client = Client()
    client.connection.drain()
    client.exchange()
    assert client.goaway == frames.NO_ERROR
    assert client.transport.closed


def test_a_connection_that_is_idle_for_long_is_closed():
    client = Client()
    client.call()
    client.patrol(600)
    assert not client.transport.closed
    client.patrol(621)
    assert client.goaway == frames.NO_ERROR
    assert client.transport.closed


def test_a_client_that_has_gone_without_a_word_is_noticed():
    client = Client()
    client.call(b"", path="/fake.Service/Watch")
    client.connection.patrol(client.app.now + 61)
    assert frames.PING in {kind for kind, *_ in sent(client)}
    client.connection.patrol(client.app.now + 120)
    assert not client.transport.aborted
    client.connection.data_received(frames.frame(frames.PING, frames.ACK, 0, b"mbuild??"))
    client.connection.patrol(client.app.now + 122)
    client.connection.patrol(client.app.now + 181)
    assert not client.transport.aborted
    client.connection.patrol(client.app.now + 183)
    assert client.transport.aborted


def sent(client: Client) -> list[tuple[int, int, int, bytes]]:
    return read_frames(client.transport.written)


def test_many_messages_at_once_that_are_answered_at_once():
    client = Client()
    stream = client.open(path="/fake.Service/Echoes")
    client.send(stream, message(b"a") * 20_000, end=True)
    answer = client.answer(stream)
    assert answer.messages == [b"a"] * 20_000
    assert answer.status == 0
    assert client.app.held == 0


def test_a_long_stream_is_forgotten_as_it_is_answered():
    client = Client(max_held=4 << 20, hold=True)
    stream = client.open(path="/fake.Service/Chat")
    row = b"[[1,0,0]" + b" " * 100_000 + b"]"
    client.send(stream, message(row))
    for position in range(100):  # there is always one that waits
        client.send(stream, message(row))
        client.queue.answer(position)
        client.exchange()
    assert not client.answer(stream).ended
    assert client.app.held == len(row)  # the one that waits
    assert client.connection.session.streams[stream].incoming._held < 210_000


def test_large_uploads_are_no_half_frames():
    client = Client()
    stream = client.open(path="/fake.Service/Echoes")
    body = message(b"x" * 600_000)
    data = b"".join(frames.frame(frames.DATA, 0, stream, body[at : at + 60_000]) for at in range(0, 600_000, 60_000))
    before = client.app.now
    for second, at in enumerate(range(0, len(data), 35_000)):  # each read ends within a frame
        client.app.now = before + 2 * second
        client.connection.data_received(data[at : at + 35_000])
        client.connection.patrol(client.app.now)
        assert not client.transport.ended
    client.app.now = before


def test_streams_take_turns_where_the_connection_is_the_limit():
    client = Client()
    client.acknowledge = False
    client.h2.update_settings({frames.INITIAL_WINDOW_SIZE: 1 << 20})
    client.exchange()
    streams = [client.open(path="/fake.Service/Echo") for _ in range(2)]
    for stream in streams:
        client.send(stream, message(b"x" * 200_000), end=True)
    for _ in range(4):
        client.h2.increment_flow_control_window(10_000)
        client.exchange()
    data = [event for event in client.events if hasattr(event, "data")]
    received = [sum(len(event.data) for event in data if event.stream_id == stream) for stream in streams]
    assert received == [65_535 + 20_000, 20_000]


def test_what_follows_the_end_is_not_read():
    client = Client()
    client.connection.data_received(frames.goaway(0, 0) + frames.frame(frames.PING, 0, 0, b"12345678"))
    client.exchange()
    assert client.transport.closed
    assert not [event for event in client.events if hasattr(event, "ping_data")]
