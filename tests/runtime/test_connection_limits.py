"""What a connection refuses: too large, too slow, or not clearly one request."""

from __future__ import annotations

import sys

import pytest

from runtime.wires import Client, request

OK = b"GET /health/ready HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\n"

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLING = {
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "length with spaces": POST + b"Content-Length: 1 3\r\n\r\nabc",
    "length out of range": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "space before colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "tab before colon": POST + b"Content-Length\t: 3\r\n\r\nabc",
    "folded line": POST + b"X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "folded by a tab": POST + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"POST /predict HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
    "one bare line feed": POST + b"X: a\nContent-Length: 0\r\n\r\n",
    "bare carriage return": POST + b"X: a\rb\r\n\r\n",
    "null byte": POST + b"X: a\0b\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "looks like chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked before 1.1": b"POST /predict HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size by line feed": POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "chunk size in C": POST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
    "chunk too long": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "huge chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "two different lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "no length": POST + b"Content-Length: \r\n\r\nabc",
    "null byte in a name": POST + b"Content\0-Length: 3\r\n\r\nabc",
    "chunked before identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
    "no coding": POST + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    "nothing before chunked": POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "nothing after chunked": POST + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "null byte after chunked": POST + b"Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
    "space after a chunk size": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "space before a chunk size": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "signed chunk": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size in Python": CHUNKED + b"0_3\r\nabc\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "extension with a line feed": CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
    "extension with a carriage return": CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "extension with a null byte": CHUNKED + b"3;a\0\r\nabc\r\n0\r\n\r\n",
    "extension with a quoted line": CHUNKED + b'3;a="b\r\nc"\r\nabc\r\n0\r\n\r\n',
    "chunk ended by a line feed": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "body ended by a line feed": CHUNKED + b"3\r\nabc\r\n0\r\n\n",
    "length behind the body": CHUNKED + b"0\r\nContent-Length: 9\r\n\r\n",
    "coding behind the body": CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "folded line behind the body": CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n",
    "upgrade with length and chunks": POST
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "other expectation": POST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc",
    "target without a slash": b"GET health/ready HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority as the target": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "two hosts": b"GET /health/ready HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /health/ready HTTP/1.1\r\n\r\n",
    "empty name": OK + b": x\r\n\r\n",
    "name with a bracket": OK + b"X(: x\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw bytes in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_is_not_clearly_one_request_is_refused_and_the_connection_closed(data):
    client = Client().send(data + b"GET /health/ready HTTP/1.1\r\nHost: smuggled\r\n\r\n")
    ((status, headers, _),) = client.responses
    assert 400 <= status < 500 or status == 501
    assert headers["connection"] == "close"
    assert client.transport.ended
    client.send(request())  # is dropped
    assert len(client.responses) == 1


def test_other_versions_and_codings_have_their_own_status():
    assert Client().send(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n").statuses == [505]
    assert Client().send(b"GET / HTTP/0.9\r\nHost: a\r\n\r\n").statuses == [505]
    assert Client().send(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").statuses == [501]


@pytest.mark.parametrize("name", [b"Content-Type: text/csv", b"Inference-Header-Content-Length: 3"])
def test_a_field_that_says_how_to_read_the_body_stands_once(name):
    assert Client().send(request(b"[[1,2,3]]", name, name)).statuses == [400]


def test_a_body_that_announces_to_be_too_large_is_refused_before_it_is_sent():
    client = Client(max_body=100).send(POST + b"Content-Length: 101\r\n\r\n")
    ((status, _, body),) = client.responses
    assert status == 413
    assert b"larger than 100 bytes" in body
    client.send(b"x" * 101)
    assert client.statuses == [413]


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large():
    client = Client(max_body=100).send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    client.send(b"40\r\n" + b"x" * 64 + b"\r\n")
    assert client.statuses == []
    client.send(b"40\r\n" + b"x" * 64 + b"\r\n")
    assert client.statuses == [413]


def test_an_inflated_body_is_refused_as_soon_as_it_is_too_large():
    import gzip

    client = Client(max_body=1000).send(request(gzip.compress(b"0" * 1001), b"Content-Encoding: gzip"))
    assert client.statuses == [413]


def test_long_targets_and_heads_are_refused():
    assert Client().send(request(target=b"/" + b"a" * 8192)).statuses == [414]
    assert Client().send(request(b"", b"X: " + b"a" * 33000)).statuses == [431]
    assert Client().send(request(b"", *(b"X-%d: 1" % i for i in range(101)))).statuses == [431]


def test_a_head_without_end_is_refused_while_it_is_sent():
    client = Client(max_head=1000).send(OK)
    for _ in range(100):
        client.send(b"X-Long: " + b"a" * 50)
        if client.transport.ended:
            break
    assert client.statuses == [431]
    assert len(client.transport.written) < 1000


def test_a_long_body_does_not_count_as_head():
    client = Client(max_head=300)
    client.send(request(b"[" + b"[1,2,3]," * 100 + b"[1,2,3]]"))
    assert client.statuses == [200]


def test_a_refused_client_may_finish_sending_for_a_while():
    client = Client(max_body=10).send(request(b"x" * 11))
    assert client.transport.ended
    assert not client.transport.closed
    client.patrol(1)
    assert not client.transport.closed
    client.patrol(3)
    assert client.transport.aborted


def test_a_slow_client_is_answered_408_and_one_that_says_nothing_is_closed():
    slow, silent, fast = Client(), Client(), Client()
    slow.send(request()[:30])
    fast.send(request(b"x" * 100_000)[:60_000])
    for client in (slow, silent, fast):
        client.patrol(9)
        assert not client.transport.closed
        client.patrol(11)
    assert slow.statuses == [408]
    assert silent.transport.closed
    assert silent.transport.written == b""
    assert not fast.transport.closed
    fast.patrol(70)
    assert fast.statuses == [408]


def test_a_client_that_waits_for_its_answer_is_not_slow():
    client = Client(hold=True).send(request())
    client.patrol(59)
    client.queue.answer(0)
    assert client.statuses == [200]


def test_idle_connections_are_kept_for_long_but_not_for_ever():
    client = Client(keep_alive=100).send(request())
    client.patrol(99)
    assert not client.transport.closed
    client.patrol(101)
    assert client.transport.closed
    assert client.statuses == [200]


def large(count: int = 1 << 20) -> bytes:
    return b"[[1,2,3]" + b" " * count + b"]"


def test_large_bodies_together_are_bounded_and_room_is_made_when_they_are_answered():
    one = Client(hold=True, max_held=3 << 20).send(request(large()))
    app = one.app
    assert app.held == len(large())
    other = one.another()
    other.send(request(large())[:1000])
    assert app.held == 2 * len(large())
    third = one.another().send(request(large())[:1000])
    assert third.statuses == [429]
    assert third.responses[0][1]["retry-after"] == "1"
    assert app.held == 2 * len(large())
    one.queue.answer(0)
    assert one.statuses == [200]
    assert app.held == len(large())
    other.connection.connection_lost(None)
    assert app.held == 0


def test_chunked_bodies_count_as_they_grow():
    client = Client(max_held=3 << 20).send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
    for count in (1, 2, 3):
        client.send(chunk)
        assert 0 <= client.app.held - count * 0x80000 < 200
    client.send(b"9\r\n[[1,2,3]]\r\n0\r\n\r\n")
    assert client.statuses == [200]
    assert client.app.held == 0


def test_bodies_that_are_half_sent_count_however_small_and_many_they_are():
    one = Client(max_held=1 << 20)
    clients = [one.another().send(request(large(500_000))[:400_000]) for _ in range(3)]
    assert [client.statuses for client in clients] == [[], [], [429]]
    assert 800_000 <= one.app.held < 802_000
    clients[0].send(request(large(500_000))[400_000:])
    assert clients[0].statuses == [200]
    clients[1].connection.connection_lost(None)
    assert one.app.held == 0


def test_what_is_sent_in_two_pieces_and_is_small_is_not_counted():
    client = Client(hold=True).send(request(large(3000))[:2000])
    assert client.app.held == 0
    client.send(request(large(3000))[2000:])
    assert client.app.held == 0


def test_bodies_that_were_read_at_once_count_until_they_are_answered():
    one = Client(hold=True, max_held=250_000)
    data = request(large(100_000))
    one.send(request())  # its head is known from now on
    clients = [one.another().send(data) for _ in range(3)]
    assert [client.statuses for client in clients] == [[], [], [429]]
    clients[2].send(request())  # goes on: where the next request began was known
    assert one.app.held == 2 * len(large(100_000))
    one.queue.answer(1)
    assert clients[0].statuses == [200]
    assert one.app.held == len(large(100_000))
    clients[1].send(data[:50_000], data[50_000:])
    assert clients[1].statuses == []
    one.queue.answer(2)
    assert one.app.held > 100_000  # the second of its two
    one.queue.answer(4)
    assert clients[1].statuses == [200, 200]
    assert one.app.held == 0


def test_a_large_body_arrives_whole_however_it_is_split():
    data = request(large())
    client = Client().send(*(data[i : i + 70_001] for i in range(0, len(data), 70_001)))
    assert [(status, body) for status, _, body in client.responses] == [(200, b'{"y":[6.0]}')]
    client.send(data, request())
    assert client.statuses == [200, 200, 200]


def test_an_announced_body_takes_memory_only_as_it_arrives():
    client = Client()
    client.send(POST + b"Content-Length: 60000000\r\n\r\n[", b"[1")
    assert client.app.held == 60_000_000
    assert sys.getsizeof(client.connection._reader._body) < 1000


def test_tiny_chunks_take_no_more_memory_than_their_bytes():
    client = Client().send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"2\r\n  \r\n" * 100_000)
    assert sys.getsizeof(client.connection._reader._body) < 300_000
    client.send(b"9\r\n[[1,2,3]]\r\n0\r\n\r\n")
    assert client.statuses == [200]


@pytest.mark.parametrize(
    "more",
    [
        b"0\r\nX: " + b"a" * 300,
        b"0\r\n" + b"X: a\r\n" * 50,
        b"1;a=" + b"b" * 300,
        b"1;a=bbbbbbbbbbbbbbbbbb\r\n1\r\n" * 100,
    ],
)
def test_trailers_and_extensions_count_as_head(more):
    client = Client(max_head=256).send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    client.send(*(more[i : i + 50] for i in range(0, len(more), 50)))
    assert client.statuses == [431]


def test_requests_that_came_before_do_not_count_as_head():
    client = Client(max_head=256).send(request() * 10 + OK, b"\r\n")
    assert client.statuses == [200] * 11
    assert Client(max_head=256).send(request() + request(b"", b"X: " + b"a" * 300)).statuses == [200, 431]


@pytest.mark.parametrize("step", [1000, 40_000, 65_536, 200_000, 262_144])
def test_the_end_of_a_large_body_is_not_the_head_of_the_next_request(step):
    """Requests that are sent before answers are read, in the pieces that sockets make of them."""
    data = request(b"[[1,2,3]]" + b" " * 170_000) * 5
    client = Client()
    client.send(*[data[at : at + step] for at in range(0, len(data), step)])
    assert client.statuses == [200] * 5


def test_a_head_after_the_end_of_a_body_is_limited_too():
    long = request(b"[[1,2,3]]", b"X: " + b"x" * 40_000)
    data = request(b"[[1,2,3]]" + b" " * 170_000) + long
    client = Client()
    client.send(*[data[at : at + 100_000] for at in range(0, len(data), 100_000)])
    assert client.statuses == [200, 431]


def test_fields_of_one_name_are_counted_each():
    assert Client().send(request(b"", *[b"X: 1"] * 101)).statuses == [431]


def test_a_body_for_which_there_can_never_be_room_is_too_large():
    client = Client(max_held=2 << 20).send(POST + b"Content-Length: %d\r\n\r\n" % (3 << 20))
    assert client.statuses == [413]


def test_this_is_no_proxy():
    client = Client().send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", request())
    ((status, headers, _),) = client.responses
    assert (status, headers["connection"]) == (501, "close")


def unread(client: Client, size: int) -> None:
    """So much waits for the client to read."""
    client.transport.unread = size
    client.connection.pause_writing()


def test_a_client_that_reads_slowly_but_reads_is_waited_for():
    client = Client().send(request())
    unread(client, 1000)
    for seconds in range(1, 200, 20):
        client.transport.unread -= 1
        client.patrol(seconds)
    assert not client.transport.aborted
    client.patrol(300)
    assert client.transport.aborted


def test_answers_that_nobody_reads_take_room_and_the_last_beyond_it_is_dropped():
    one = Client(max_held=3 << 20).send(request())
    unread(one, 2 << 20)
    assert one.app.held == 2 << 20
    other = one.another().send(request())
    unread(other, 2 << 20)
    assert (one.transport.aborted, other.transport.aborted) == (False, True)
    other.connection.connection_lost(None)
    one.connection.resume_writing()
    assert one.app.held == 0
    alone = one.another()
    unread(alone, 9 << 20)
    assert not alone.transport.aborted
