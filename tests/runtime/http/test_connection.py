from __future__ import annotations

import gc

import pytest

from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.reader import Reader
from modelbuild_runtime.protocols import Route
from runtime.wires import Client, request

CHUNKED = b"Transfer-Encoding: chunked"


def test_a_request_is_answered_with_its_length_and_an_id():
    client = Client().send(request(b"[[1,2,3],[4,5,6]]"))
    ((status, headers, body),) = client.responses
    assert (status, body) == (200, b'{"y":[6.0,15.0]}')
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == "16"
    assert len(headers["x-request-id"]) == 18
    assert "connection" not in headers
    assert not client.transport.closed


def test_the_client_s_own_request_id_comes_back():
    client = Client().send(request(b"[[1,2,3]]", b"X-Request-Id: abc-1"), request(b"nonsense", b"x-request-id: abc-2"))
    assert [headers["x-request-id"] for _, headers, _ in client.responses] == ["abc-1", "abc-2"]


@pytest.mark.parametrize("forged", [b"a b", b"\xc3\xa9", b"x" * 129, b""])
def test_a_request_id_that_could_forge_a_log_line_is_replaced(forged):
    client = Client().send(request(b"[[1,2,3]]", b"X-Request-Id: " + forged))
    ((status, headers, _),) = client.responses
    assert status == 200
    assert headers["x-request-id"].encode() != forged
    assert len(headers["x-request-id"]) == 18


def test_any_split_of_the_bytes_gives_the_same_answer():
    data = request(b"[[1,2,3]]", b"X-Request-Id: same")
    whole = Client().send(data).transport.written
    for split in range(1, len(data)):
        assert Client().send(data[:split], data[split:]).transport.written == whole


def test_byte_by_byte():
    data = request(b"[[1,2,3]]", CHUNKED, length=False).replace(b"[[1,2,3]]", b"4\r\n[[1,\r\n5\r\n2,3]]\r\n0\r\n\r\n")
    client = Client().send(*(data[i : i + 1] for i in range(len(data))))
    assert [(status, body) for status, _, body in client.responses] == [(200, b'{"y":[6.0]}')]


def test_pipelined_requests_are_answered_in_order_in_one_read():
    client = Client().send(b"".join(request(b"[[%d,0,0]]" % i) for i in range(20)))
    assert [body for _, _, body in client.responses] == [b'{"y":[%d.0]}' % i for i in range(20)]


def test_the_end_of_a_body_is_no_part_of_the_next_head():
    data = request(b"[[1,2,3]]" + b" " * 60_000)
    client = Client().send(data[:100], data[100:] + data[:50], data[50:])
    assert client.statuses == [200, 200]


def test_answers_wait_for_those_before_them():
    client = Client(hold=True).send(request(b"[[1,0,0]]") + request(b"[[2,0,0]]") + request(b"[[3,0,0]]"))
    client.queue.answer(2)
    client.queue.answer(1)
    assert client.transport.written == b""
    client.queue.answer(0)
    assert [body for _, _, body in client.responses] == [b'{"y":[1.0]}', b'{"y":[2.0]}', b'{"y":[3.0]}']


def test_an_error_does_not_overtake():
    client = Client(hold=True).send(request(b"[[1,0,0]]") + request(b"no json") + b"bad\r\n\r\n")
    assert client.transport.written == b""
    client.queue.answer(0)
    assert client.statuses == [200, 500, 400]
    assert client.transport.ended


def test_chunked_bodies_with_extensions_and_trailers():
    body = b"4;a=b\r\n[[1,\r\n5\r\n2,3]]\r\n0\r\nX-Request-Id: trailer\r\nHost: other\r\n\r\n"
    client = Client().send(request(body, CHUNKED, b"X-Request-Id: head", length=False))
    ((status, headers, answer),) = client.responses
    assert (status, answer) == (200, b'{"y":[6.0]}')
    assert headers["x-request-id"] == "head"


def test_head_is_get_without_the_body():
    client = Client().send(b"HEAD /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = client.transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 15" in head
    assert body == b""


def test_connection_close_is_kept_and_what_follows_is_dropped():
    client = Client().send(request(b"[[1,2,3]]", b"Connection: close") + request())
    ((status, headers, _),) = client.responses
    assert (status, headers["connection"]) == (200, "close")
    assert client.transport.closed


def test_http_1_0_closes_unless_asked_to_keep_the_connection():
    data = b"GET /health/ready HTTP/1.0\r\n\r\n"
    client = Client().send(data)
    assert client.responses[0][1]["connection"] == "close"
    assert client.transport.closed
    client = Client().send(b"GET /health/ready HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.responses[0][1]["connection"] == "keep-alive"
    assert not client.transport.closed


def test_expect_100_continue_is_answered_before_the_body_arrives():
    head, body = request(b"[[1,2,3]]", b"Expect: 100-continue").split(b"\r\n\r\n")
    client = Client().send(head + b"\r\n\r\n")
    assert client.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(body)
    assert client.statuses == [200]


def test_100_continue_waits_for_the_answers_before_it():
    head, body = request(b"[[4,0,0]]", b"Expect: 100-continue").split(b"\r\n\r\n")
    client = Client(hold=True).send(request() + head + b"\r\n\r\n")
    assert client.transport.written == b""
    client.queue.answer(0)
    assert client.transport.written.endswith(b'{"y":[6.0]}HTTP/1.1 100 Continue\r\n\r\n')
    client.send(body)
    client.queue.answer(1)
    assert client.transport.written.endswith(b'{"y":[4.0]}')


def test_no_100_for_what_will_be_refused_and_no_other_expectation():
    client = Client(max_body=10).send(request(b"x" * 11, b"Expect: 100-continue").partition(b"x" * 11)[0])
    assert client.statuses == [413]
    assert Client().send(request(b"", b"Expect: tea")).statuses == [417]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_upgrade_is_ignored_and_the_connection_goes_on(protocol):
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + protocol, b"HTTP2-Settings: AA")
    client = Client().send(request(b"[[1,2,3]]", *upgrade) + request(b"[[4,0,0]]"))
    assert [body for _, _, body in client.responses] == [b'{"y":[6.0]}', b'{"y":[4.0]}']
    client.send(request(b"[[5,0,0]]"))
    assert client.responses[2][2] == b'{"y":[5.0]}'


def test_connect_opens_no_tunnel():
    client = Client().send(b"CONNECT other:443 HTTP/1.1\r\nHost: other\r\n\r\n\x16\x03\x01")
    assert client.statuses[0] >= 400
    assert client.transport.closed or client.transport.ended


def test_a_lost_connection_cancels_what_waits():
    client = Client(hold=True).send(request() + request())
    client.connection.connection_lost(None)
    assert [job.cancelled for job in client.queue.jobs] == [True, True]
    assert client.app.in_flight == 0
    client.queue.answer(0)  # too late, and harmless
    assert client.transport.written == b""


def test_a_lost_connection_leaves_nothing_to_the_garbage_collector():
    client = Client().send(request(), request(b"[[1,2]]"), request(b"[[1,2,3]]", b"Connection: close"))
    client.connection.connection_lost(None)
    gc.collect()
    gc.disable()
    try:
        del client.connection, client.transport
        left = [one for one in gc.get_objects() if type(one) in {Connection, Reader, Exchange}]
        assert not [
            one for one in left if getattr(one, "_app", None) is client.app or getattr(one, "app", None) is client.app
        ]
    finally:
        gc.enable()


def test_a_client_that_stops_sending_still_gets_its_answer_if_it_comes_soon():
    client = Client(hold=True).send(request())
    assert client.connection.eof_received() is True
    client.queue.answer(0)
    assert client.statuses == [200]
    assert client.transport.closed


def test_a_client_that_stopped_sending_is_taken_for_gone_later():
    client = Client(hold=True).send(request())
    client.connection.eof_received()
    client.patrol(3)
    assert client.transport.aborted


def test_a_client_that_stops_sending_while_it_waits_is_gone():
    client = Client(hold=True).send(request(), request())
    for exchange in client.connection.pending:
        exchange.received -= 0.1
    assert client.connection.eof_received() is False  # which closes the connection


def test_an_idle_client_that_stops_sending_is_closed():
    client = Client().send(request())
    assert client.connection.eof_received() is False


def test_reading_pauses_while_the_client_does_not_read():
    client = Client()
    client.connection.pause_writing()
    assert not client.transport.reading
    client.connection.resume_writing()
    assert client.transport.reading
    client.connection.pause_writing()
    client.patrol(61)
    assert client.transport.aborted


def test_reading_pauses_while_many_requests_are_in_flight():
    client = Client(hold=True).send(request() * 65)
    assert not client.transport.reading
    client.queue.answer(0)
    assert client.transport.reading


def test_a_large_body_is_written_whole():
    large = b"[" + b"1," * 200_000 + b"1]"
    client = Client(Route("GET", "/large", lambda http: HttpResponse(200, large)))
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    assert [body == large for _, _, body in client.responses] == [True, True]


def test_compressed_bodies_are_inflated():
    import gzip
    import zlib

    body = b"[[1,2,3]]"
    client = Client().send(request(gzip.compress(body), b"Content-Encoding: gzip"))
    client.send(request(zlib.compress(body), b"Content-Encoding: deflate"))
    client.send(request(body, b"Content-Encoding: br"), request(body, b"Content-Encoding: gzip"))
    assert client.statuses == [200, 200, 415, 400]
    assert not client.transport.closed


def test_the_request_reaches_the_route_as_it_was_sent():
    seen: list[HttpRequest] = []

    def keep(http: HttpRequest) -> HttpResponse:
        seen.append(http)
        return HttpResponse(204)

    client = Client(Route("PUT", "/a/{name}/b", keep))
    client.send(
        request(b"\x00\xff", b"X-A: 1", b"x-a: 2", b"X-Empty:", method=b"PUT", target=b"/a/n%20%C3%A9%2F/b?q=%20")
    )
    (http,) = seen
    assert (http.method, http.path, http.query) == ("PUT", "/a/n é//b", "q=%20")
    assert http.params == {"name": "n é/"}
    assert http.headers[b"x-a"] == b"1, 2"
    assert http.headers[b"x-empty"] == b""
    assert http.body == b"\x00\xff"


def test_draining_closes_idle_connections_at_once_and_busy_ones_when_done():
    idle, busy = Client(), Client(hold=True).send(request())
    for client in (idle, busy):
        client.app.drain()
    assert idle.transport.closed
    assert not busy.transport.closed
    busy.queue.answer(0)
    assert busy.responses[0][1]["connection"] == "close"
    assert busy.transport.closed


def test_draining_lets_a_half_sent_request_finish():
    data = request()
    client = Client().send(data[:-4])
    client.app.drain()
    assert not client.transport.closed
    client.send(data[-4:])
    assert client.statuses == [200]
    assert client.transport.closed
