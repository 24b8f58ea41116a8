from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.wire import CLOSE, render
from runtime.wires import parse


def test_a_response_in_full():
    response = HttpResponse(201, b"body", "text/plain", (("X-A", "1"), ("X-A", "2")))
    assert render(response, "id-1", CLOSE) == (
        b"HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\nX-A: 1\r\nX-A: 2\r\nx-request-id: id-1\r\n"
        b"connection: close\r\ncontent-length: 4\r\n\r\nbody"
    )


def test_the_same_start_is_made_once_but_fields_are_not_kept():
    first = render(HttpResponse(200, b"1", headers=(("x-a", "1"),)), "a")
    second = render(HttpResponse(200, b"2"), "b")
    assert b"x-a" in first
    assert b"x-a" not in second


def test_head_has_the_length_of_the_body_it_leaves_out():
    data = render(HttpResponse(200, b"body"), "a", head=True)
    assert b"content-length: 4" in data
    assert data.endswith(b"\r\n\r\n")


def test_a_handler_cannot_forge_fields():
    headers = (("x-a", "1\r\nset-cookie: a=b"), ("x\r\nb", "2"))
    ((_, fields, _),) = parse(render(HttpResponse(200, b"", "text/plain\r\nx-c: 3", headers), "a"), "GET")
    assert "set-cookie" not in fields
    assert "x-c" not in fields
    assert fields["x-a"] == "1  set-cookie: a=b"
    assert fields["x--b"] == "2"


def test_a_handler_cannot_say_where_its_response_ends():
    headers = (("Content-Length", "1"), ("transfer-encoding", "chunked"), ("Connection", "upgrade"), ("x-a", "1"))
    ((_, fields, body),) = parse(render(HttpResponse(200, b"body", headers=headers), "a"))
    assert body == b"body"
    assert fields["x-a"] == "1"
    assert "connection" not in fields


def test_text_that_http_cannot_hold_is_replaced():
    assert "x-a: caf\xe9 ?".encode("latin-1") in render(HttpResponse(200, headers=(("x-a", "café €"),)), "a")


def test_a_status_without_a_name():
    assert render(HttpResponse(299), "a").startswith(b"HTTP/1.1 299 ")
