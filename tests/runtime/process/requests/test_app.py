from __future__ import annotations

import gc
import gzip
import json
import logging
from typing import Any

import msgspec
import numpy as np
import pytest

from modelbuild_runtime.beside import at_once
from modelbuild_runtime.errors import InvalidInput, NotAcceptable, NotFound, Overloaded
from modelbuild_runtime.http.connection import Connection
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.process.requests.app import Application
from modelbuild_runtime.process.requests.closed import closed_router
from modelbuild_runtime.protocols import Prediction, Route
from modelbuild_runtime.request import Response
from modelbuild_runtime.settings import Settings
from runtime.fakes import decode, encode
from runtime.wires import Client, FakeTransport, parse, request


def answer(client: Client) -> tuple[int, dict[str, str], Any]:
    status, headers, body = client.responses[-1]
    return status, headers, json.loads(body)


@pytest.mark.parametrize("light, expected", [(None, 1), (lambda _: False, 1), (lambda _: True, 0)])
def test_a_large_body_is_read_beside_the_loop_unless_its_protocol_says_that_it_is_light(light, expected):
    client = Client(Route("POST", "/large", Prediction(decode, encode, light=light)))
    works: list[Any] = []
    client.app.beside = works.append
    body = b"[[1,2,3]]" + b" " * (1 << 18)
    client.send(request(body).replace(b"/predict", b"/large"))
    assert len(works) == expected
    for work in works:
        work()()
    assert client.statuses == [200]


def test_a_large_body_that_asks_for_no_prediction_holds_few_values():
    seen: list[int] = []

    def told(http: Any) -> HttpResponse:
        seen.append(len(http.body))
        return HttpResponse(200)

    client = Client(Route("POST", "/told", told))
    many = b"[" + b'{"a":1},' * 60_000 + b"{}]"
    packed = gzip.compress(many)
    for body, more in ((many, ()), (packed, (b"Content-Encoding: gzip",)), (b" \n" + many, ())):
        client.send(request(body, *more, target=b"/told"))
    client.send(request(b'{"data":"' + b"x" * (1 << 20) + b'"}', target=b"/told"))
    assert client.statuses == [413, 413, 413, 200]
    assert seen == [(1 << 20) + 11]


def test_a_model_that_is_not_here_is_no_failure_of_the_one_that_is():
    def decode_other(http: Any) -> Any:
        raise NotFound("there is no model x")

    client = Client(Route("POST", "/models/{model}", Prediction(decode_other, encode)))
    client.send(request(b"[[1,2,3]]", target=b"/models/x"), request(b"nonsense"))
    assert client.statuses == [404, 500]
    assert client.app.metrics.outcomes("m")[::2] == (0, 1)


def test_who_gives_up_is_counted_by_model():
    client = Client(Route("GET", "/told", lambda _: HttpResponse(200)), hold=True, access_log=True)
    client.send(request(b"[[1,2,3]]"), request(b"[[1,2,3]]", b"X-Request-Id: impatient"), get(b"/told"))
    client.queue.answer(0)
    client.connection.connection_lost(None)
    assert [(line["path"], line["status"]) for line in client.lines] == [
        ("/told", 200),
        ("/predict", 200),
        ("/predict", 499),
    ]
    assert client.lines[-1]["request_id"] == "impatient"
    assert client.app.metrics.of("m").shed_requests["gone"] == 1
    assert client.app.metrics.of("").shed_requests["gone"] == 0, "it has its answer"


def get(path: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def test_what_belongs_to_nobody_is_a_problem_document():
    status, headers, body = answer(Client().send(get(b"/nothing/here")))
    assert status == 404
    assert headers["content-type"] == "application/problem+json"
    assert body["detail"] == "there is no /nothing/here"
    assert (body["status"], body["title"], body["code"]) == (404, "Not Found", "not_found")
    assert body["request_id"] == headers["x-request-id"]


def test_what_has_a_protocol_s_prefix_is_in_its_shape():
    status, _, body = answer(Client().send(get(b"/health/nothing")))
    assert status == 404
    assert body == {"fake": "there is no /health/nothing", "field": ""}


def test_another_method_is_told_which_are_possible():
    status, headers, body = answer(Client().send(get(b"/predict")))
    assert (status, headers["allow"]) == (405, "POST")
    assert body["fake"] == "GET is not possible on /predict; use POST"


def test_errors_before_a_request_is_whole_have_the_protocol_s_shape():
    status, _, body = answer(Client(max_body=5).send(request(b"123456")))
    assert (status, body["fake"]) == (413, "the body is larger than 5 bytes")


@pytest.mark.parametrize(
    "error, status", [(InvalidInput("no", field="age"), 400), (NotAcceptable("no"), 406), (RecursionError(), 413)]
)
def test_errors_of_decode(error, status):
    def fail(http):
        raise error

    client = Client(Route("POST", "/fail", Prediction(fail, encode))).send(request(target=b"/fail"))
    assert answer(client)[0] == status
    if isinstance(error, InvalidInput):
        assert answer(client)[2]["field"] == "age"


@pytest.mark.parametrize("where", ["decode", "encode", "endpoint"])
def test_a_bug_of_ours_is_an_answer_without_details(where, caplog):
    def bug(*_):
        raise ZeroDivisionError("secret")

    endpoint = {"decode": Prediction(bug, encode), "encode": Prediction(decode, bug), "endpoint": bug}[where]
    client = Client(Route("POST", "/bug", endpoint))
    with caplog.at_level(logging.ERROR):
        client.send(request(target=b"/bug"))
    status, headers, body = answer(client)
    assert status == 500
    assert "secret" not in str(body)
    assert headers["x-request-id"] in str(body)
    assert "secret" in caplog.text
    assert caplog.records[-1].request == headers["x-request-id"]
    client.send(request())
    assert client.statuses == [500, 200]


def test_an_error_of_encode_is_the_client_s():
    def fail(*_):
        raise NotAcceptable("csv cannot hold this")

    client = Client(Route("POST", "/fail", Prediction(decode, fail))).send(request(target=b"/fail"))
    assert answer(client)[0] == 406


@pytest.mark.parametrize("coding", [b"zstd", b"br", b"gzip, gzip, gzip"])
def test_a_coding_that_is_not_read_is_told_which_are(coding):
    status, headers, _ = answer(Client().send(request(b"[[1,2,3]]", b"Content-Encoding: " + coding)))
    assert (status, headers["accept-encoding"]) == (415, "gzip, deflate")
    assert "accept-encoding" not in answer(Client().send(request(b"[[1,2,3]]", b"Content-Encoding: identity")))[1]


@pytest.mark.parametrize(
    ("body", "coding", "where"),
    [
        (b"[[1,2,3]]" + b" " * 300_000, b"", "beside"),
        (b"[[1,2,3]]" + b" " * (4 << 20), b"", "beside_long"),
        (gzip.compress(b"[[1,2,3]]", mtime=0), b"gzip", "beside_long"),
    ],
)
def test_what_may_take_long_to_read_does_not_keep_what_is_merely_large(body, coding, where):
    client = Client()
    waiting: dict[str, list[Any]] = {"beside": [], "beside_long": []}
    client.app.beside, client.app.beside_long = waiting["beside"].append, waiting["beside_long"].append
    client.send(request(body, *([b"Content-Encoding: " + coding] if coding else [])))
    assert {name: len(found) for name, found in waiting.items()} == {"beside": 0, "beside_long": 0, where: 1}
    at_once(waiting[where].pop())
    assert client.statuses == [200]


@pytest.mark.parametrize(("spaces", "collects"), [(70_000, True), (1 << 18, False)])
def test_the_collector_does_not_walk_through_what_is_made_of_a_large_body(spaces, collects):
    found: list[bool] = []

    def looked(http):
        found.append(gc.isenabled())
        return decode(http)

    client = Client(Route("POST", "/looked", Prediction(looked, encode)))
    client.send(request(b"[[1,2,3]]" + b" " * spaces).replace(b"/predict", b"/looked"))
    assert (client.statuses, found, gc.isenabled()) == ([200], [collects], True)


def test_overload_says_when_to_come_back():
    def fail(http):
        raise Overloaded("full", retry_after=3)

    status, headers, _ = answer(Client(Route("POST", "/x", Prediction(fail, encode))).send(request(target=b"/x")))
    assert (status, headers["retry-after"]) == (429, "3")


def test_who_is_turned_away_is_told_later_unless_it_was_given_up_already():
    def fail(_http):
        raise Overloaded("full", retry_after=3)

    client = Client(Route("POST", "/x", Prediction(fail, encode)))
    kept: list[Any] = []
    client.app.later = lambda *told: kept.append(told)
    client.send(request(target=b"/x"))
    assert client.statuses == []
    ((exchange, response),) = kept
    client.app.respond(exchange, response)
    assert client.statuses == [429]
    assert exchange.deadline == 0
    client.send(request(target=b"/x").replace(b"Host", b"x-request-timeout: 0.5\r\nHost"))
    exchange, _ = kept.pop()
    assert exchange.deadline == exchange.received + 0.5
    exchange.cancelled = True
    client.app.refuse(exchange, Overloaded("full"))
    assert client.statuses == [429, 429], "who calls still has to end: a call of gRPC gives up its messages first"
    assert len(kept) == 1


def test_a_protocol_whose_error_breaks_gets_a_problem_document(caplog):
    client = Client()

    def broken(*_):
        raise KeyError

    (bound,) = client.app.routes._router.find(b"POST", b"/predict").routes
    client.app.routes._router._known.clear()
    node = client.app.routes._router._exact["/predict"]
    node.methods["POST"][0] = msgspec.structs.replace(bound, protocol=bound.protocol._replace(error=broken))
    status, headers, _ = answer(client.send(request(b"[]")))
    assert (status, headers["content-type"]) == (400, "application/problem+json")


def test_conditions_choose_among_protocols():
    routes = [
        Route("POST", "/x", lambda http: HttpResponse(200, b'"one"'), when=lambda http: http.body == b"1"),
        Route("POST", "/x", lambda http: HttpResponse(200, b'"two"'), when=lambda http: http.body == b"2"),
    ]
    client = Client(*routes).send(request(b"1", target=b"/x"), request(b"2", target=b"/x"), request(b"3", target=b"/x"))
    assert [json.loads(body) for _, _, body in client.responses[:2]] == ["one", "two"]
    assert client.statuses[2] == 404


def test_what_no_condition_fits_is_answered_as_by_who_takes_the_rest():
    route = Route("POST", "/nobodys/x", lambda http: HttpResponse(200), when=lambda http: False)
    status, _, body = answer(Client(route).send(request(b"3", target=b"/nobodys/x")))
    assert (status, body["fake"]) == (404, "no protocol on /nobodys/x understands this request")


def test_while_it_loads_it_is_alive_and_says_so():
    app = Application(Settings(), closed_router())
    connection, transport = Connection(app), FakeTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(get(b"/health/live") + get(b"/health/ready") + request())
    (alive, ready, predict) = parse(transport.written)
    assert (alive[0], ready[0], predict[0]) == (200, 503, 503)
    assert predict[1]["retry-after"] == "1"
    assert json.loads(predict[2])["detail"] == "the model is still being loaded"


def test_what_was_remembered_while_loading_is_forgotten():
    client = Client()
    app = Application(Settings(), closed_router())
    connection, transport = Connection(app), FakeTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(request())
    connection.data_received(request())
    app.open(client.app.routes._router, client.queue._immediate._dataplane, client.queue._immediate)
    connection.data_received(request())
    assert [status for status, _, _ in parse(transport.written)] == [503, 503, 200]


def test_counters_know_protocol_and_status():
    client = Client().send(request(), request(b"[]"), get(b"/nothing"), get(b"/health/ready"))
    metrics = client.app.metrics
    counted = {("fake", "m", 200): 1, ("fake", "m", 400): 1, ("", "", 404): 1, ("fake", "", 200): 1}
    assert metrics.requests == counted
    assert metrics.outcomes("m")[::2] == (1, 1)


def test_the_access_log_says_what_was_asked_and_answered():
    client = Client(access_log=True)
    client.send(request(b"[[1,2,3]]", b"X-Request-Id: abc"), get(b"/nothing"))
    predicted, refused = client.lines
    assert predicted.pop("time").endswith("Z")
    assert predicted.pop("seconds") > 0
    assert predicted == {
        "severity": "INFO",
        "message": "POST /predict 200",
        "request_id": "abc",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "protocol": "fake",
        "route": "/predict",
        "model": "m",
        "request_bytes": 9,
        "response_bytes": 11,
    }
    assert refused["status"] == 404
    assert "route" not in refused


def test_the_access_log_says_where_the_time_went():
    client = Client(access_log=True, hold=True)
    client.send(request(b"[[1,2,3],[4,5,6]]"), request())
    (first, second), of_model = client.queue.jobs, client.app.metrics.of("m")
    for job in (first, second):
        job.queued = job.received + 1
    of_model.marks.began, of_model.marks.ended = first.queued + 5, first.queued + 7
    of_model.run([first, second], 3, first.queued + 2, 9.0)
    first.answer(Response(2, {"y": np.zeros(2)}))
    second.fail(InvalidInput("no"))
    told, failed = client.lines
    encode = told["stages"].pop("encode")
    assert 0 <= encode < 1
    assert told["stages"] == {"decode": 1, "queue": 2, "preprocess": 3, "predict": 2, "postprocess": 4}
    assert (told["rows"], told["batch_requests"], told["batch_rows"]) == (2, 2, 3)
    assert failed["stages"]["encode"] == 0


def test_the_same_head_is_parsed_once_and_means_the_same():
    client = Client()
    for i in range(5):
        client.send(request(b"[[%d,0,0]]" % i))
    client.send(request(b"[[10,0,0]]"), request(b"[[1,0,0]]", method=b"GET"))
    assert [body for _, _, body in client.responses[:6]] == [b'{"y":[%d.0]}' % i for i in (0, 1, 2, 3, 4, 10)]
    assert client.statuses[6] == 405
    assert len({headers["x-request-id"] for _, headers, _ in client.responses}) == 7


def test_a_known_head_leads_to_another_route_where_the_body_has_its_mark():
    """And where the mark is there by chance, the route's own condition is asked."""
    other = Prediction(decode, lambda *_: HttpResponse(200, b'"other"'))

    def is_asked(http):
        return http.body.endswith(b" ")

    client = Client(
        Route("POST", "/two", other, when=is_asked, mark=b"1, "), Route("POST", "/two", Prediction(decode, encode))
    )
    for body in (b"[[1, 2,3]] ", b"[[1, 2,3]]\n", b"[[1,2,3]]\n\n") * 2:
        client.send(request(body, target=b"/two"))
    assert [body for _, _, body in client.responses] == [b'"other"', b'{"y":[6.0]}', b'{"y":[6.0]}'] * 2


@pytest.mark.parametrize(
    "content_type, usual", [(b"X-Kind: other", b'"other"'), (b"X-Kind: more", b'{"y":[6.0]}')], ids=["first", "rest"]
)
def test_a_known_head_leads_to_one_route_where_the_body_begins_as_most_do(content_type, usual):
    """Under the same head, a condition is asked again for other bodies only."""
    asked: list[bytes] = []

    def is_asked(http):
        asked.append(bytes(http.body))
        return http.body.startswith(b"[[1, 2") and http.headers[b"x-kind"] == b"other"

    other = Route("POST", "/two", Prediction(decode, lambda *_: HttpResponse(200, b'"other"')), when=is_asked)
    client = Client(other._replace(begins=(b"[[1, 2", b"[[1, 2,")), Route("POST", "/two", Prediction(decode, encode)))
    for body in (b"[[1, 2,3]]", b"[[1,2,3]] ", b"[[1, 2,3]]"):
        client.send(request(body, content_type, target=b"/two"))
    assert [body for _, _, body in client.responses] == [usual, b'{"y":[6.0]}', usual]
    assert asked == [b"[[1, 2", b"[[1,2,3]] "]


def test_how_the_requests_of_a_known_head_are_decoded_is_asked_once():
    """Another head is asked about by itself, and may have nothing quicker."""
    asked = []

    def decoding(headers):
        asked.append(headers.get(b"x-kind"))
        return None if b"x-kind" in headers else quicker

    def quicker(http):
        return decode(msgspec.structs.replace(http, body=b"[[7,0,0]]"))

    client = Client(Route("POST", "/two", Prediction(decode, encode, decoding=decoding)))
    for more in (b"X-A: b", b"X-Kind: other", b"X-A: b", b"X-Kind: other"):
        client.send(request(b"[[1,2,3]]", more, target=b"/two"))
    assert [body for _, _, body in client.responses] == [b'{"y":[7.0]}', b'{"y":[6.0]}'] * 2
    assert asked == [None, b"other"]


def test_heads_that_differ_for_each_request_are_not_remembered():
    client = Client()
    client.send(request(b"[[1,2,3]]", b"X-Request-Id: a"), request(b"[[1,2,3]]", b"X-Request-Id: b"))
    client.send(request(b"[[1,2,3]]", b"Traceparent: c"), b"\r\n\r\n" + request())
    assert client.statuses == [200] * 4
    assert not any(b"X-Request-Id" in head or b"Traceparent" in head for head in client.app.routes.known_heads._heads)
    assert b"\r\n\r\n" not in client.app.routes.known_heads._heads
    client.send(b"\r\n\r\n" + request())
    assert client.statuses == [200] * 5


def test_a_remembered_head_with_another_body_length_is_not_taken():
    client = Client().send(request())
    data = request()
    client.send(data + data[:20])
    client.send(data[20:])
    client.send(data[:-3])
    client.send(data[-3:])
    assert client.statuses == [200] * 4


def test_protocols_may_not_change_what_is_shared():
    seen: list[dict[bytes, bytes]] = []

    def keep(http):
        seen.append(http.headers)
        return HttpResponse(200, msgspec.json.encode({}))

    Client(Route("POST", "/x", keep)).send(request(target=b"/x"), request(target=b"/x"))
    assert seen[0] is seen[1]  # which is why they must not


@pytest.mark.parametrize("path", [b"/health%2Fready", b"/health%2fready"])
def test_an_escaped_slash_separates_nothing(path):
    assert answer(Client().send(get(path)))[0] == 404
    assert answer(Client().send(get(b"/health/read%79")))[0] == 200


def test_nor_through_what_is_made_for_a_large_answer():
    found: list[bool] = []

    def looked(http, request, response):
        found.append(gc.isenabled())
        return encode(http, request, response)

    client = Client(Route("POST", "/looked", Prediction(decode, looked)))
    client.send(request(b"[%b]" % b",".join([b"[1,2,3]"] * 20_000)).replace(b"/predict", b"/looked"))
    assert (client.statuses, found, gc.isenabled()) == ([200], [False], True)
