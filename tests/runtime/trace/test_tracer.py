"""From a request's head to what a collector is sent."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytest

from modelbuild_runtime import log
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.protocols import Route
from modelbuild_runtime.trace.settings import read
from modelbuild_runtime.trace.tracer import Tracer, make_tracer
from runtime.trace.receiver import Receiver
from runtime.trace.receiver import read as read_export
from runtime.wires import Client, request

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"Traceparent: 00-{TRACE}-{PARENT}-01".encode()
UNSAMPLED = f"Traceparent: 00-{TRACE}-{PARENT}-00".encode()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


class Traced:
    """A client of a server that traces."""

    def __init__(self, url: str, *routes: Route, hold: bool = False, **environment: str) -> None:
        self.counts: dict[str, int] = {}
        self.client = Client(*routes, hold=hold, access_log=True)
        tracer = make_tracer({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **environment}, "m", "7", self.counts)
        assert tracer is not None
        self.tracer: Tracer = tracer
        self.client.app.trace(tracer)

    def send(self, *pieces: bytes) -> Traced:
        self.client.send(*pieces)
        return self

    def close(self) -> None:
        self.tracer.close()


def until(condition: Any) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit, "never happened"
        time.sleep(0.01)


def test_a_request_is_a_span_and_its_stages_are_children(receiver):
    traced = Traced(receiver.url, hold=True, OTEL_RESOURCE_ATTRIBUTES="a=b")
    traced.send(request(b"[[1,2,3]]", TRACEPARENT, b"Tracestate: x=1", b"X-Request-Id: abc", b"User-Agent: curl"))
    (job,) = traced.client.queue.jobs
    of_model = traced.client.app.metrics.of("m")
    job.queued = job.received + 0.1
    of_model.marks.began, of_model.marks.ended = job.queued + 0.5, job.queued + 0.75
    of_model.run([job], 1, job.queued + 0.25, 0.75)
    traced.client.queue.answer(0)
    traced.close()
    resource, (span, *children) = read_export(receiver.exports[0])
    assert receiver.paths == ["/v1/traces"]
    assert receiver.headers[0]["content-type"] == "application/x-protobuf"
    assert resource["service.name"] == "m"
    assert (resource["service.version"], resource["a"]) == ("7", "b")
    assert (span.trace_id, span.parent, span.name, span.kind) == (TRACE, PARENT, "POST /predict", 2)
    assert (span.state, span.status) == ("x=1", 0)
    assert abs(span.ended / 1e9 - time.time()) < 30
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "url.path": "/predict",
        "http.response.status_code": 200,
        "http.request.body.size": 9,
        "http.response.body.size": 11,
        "url.scheme": "http",
        "user_agent.original": "curl",
        "mbuild.request_id": "abc",
        "mbuild.protocol": "fake",
        "mbuild.model": "m",
        "mbuild.rows": 1,
        "mbuild.batch.requests": 1,
        "mbuild.batch.rows": 1,
    }
    assert {(child.trace_id, child.parent, child.kind) for child in children} == {(TRACE, span.id, 1)}
    seconds = {child.name: round((child.ended - child.began) / 1e9, 2) for child in children[:5]}
    assert seconds == {"decode": 0.1, "queue": 0.25, "preprocess": 0.25, "predict": 0.25, "postprocess": 0.25}
    assert children[5].name == "encode"
    assert len({one.id for one in (span, *children)}) == 7
    assert traced.counts == {"exported": 1}


def test_a_trace_begins_here_where_the_caller_says_none(receiver):
    traced = Traced(receiver.url)
    traced.send(request(), request(b"nonsense"), request(b"[]", b"Traceparent: nonsense")).close()
    spans = [span for span in receiver.spans if span.kind == 2]
    assert len({span.trace_id for span in spans}) == 3
    assert {span.parent for span in spans} == {""}


def test_who_is_not_sampled_is_not_sent_and_the_log_knows_the_trace_all_the_same(receiver):
    traced = Traced(receiver.url)
    traced.send(request(b"[[1,2,3]]", UNSAMPLED), request(b"[[1,2,3]]", TRACEPARENT))
    traced.close()
    assert len([span for span in receiver.spans if span.kind == 2]) == 1
    unsampled, sampled = traced.client.lines
    assert (unsampled["trace_id"], unsampled.get("span_id")) == (TRACE, None)
    assert (sampled["trace_id"], len(sampled["span_id"])) == (TRACE, 16)


@pytest.mark.parametrize("certificate, scheme", [("", "http"), ("/a.pem", "https")])
def test_a_span_says_how_it_was_asked(receiver, certificate, scheme):
    traced = Traced(receiver.url, MBUILD_TLS_CERTIFICATE=certificate)
    traced.send(request()).close()
    assert receiver.spans[0].attributes["url.scheme"] == scheme


def test_probes_begin_no_traces(receiver):
    traced, health = Traced(receiver.url), b"GET /health/ready HTTP/1.1\r\nHost: a\r\n"
    traced.send(health + b"\r\n", health + TRACEPARENT + b"\r\n\r\n", request(b"[[1,2,3]]")).close()
    assert traced.client.statuses == [200, 200, 200]
    spans = [(span.name, span.parent) for span in receiver.spans if span.kind == 2]
    assert spans == [("GET /health/ready", PARENT), ("POST /predict", "")]
    assert traced.counts == {"exported": 2}


def test_errors_are_told_from_refusals(receiver):
    def fail(_http):
        raise ZeroDivisionError

    traced = Traced(receiver.url, Route("GET", "/fail/{name}", fail))
    traced.send(
        request(b"nonsense"), b"GET /fail/now HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    traced.close()
    found = {span.name: (span.status, span.attributes.get("error.type", "")) for span in receiver.spans}
    assert found["POST /predict"][0] == (2 if traced.client.statuses[0] >= 500 else 0)
    assert found["GET /fail/{name}"] == (2, "500")
    assert found["GET"] == (0, "")


def test_the_handler_is_told_our_span(receiver):
    seen = []

    def keep(http):
        seen.append(http.headers[b"traceparent"].decode())
        return HttpResponse(200)

    traced = Traced(receiver.url, Route("POST", "/keep", keep))
    traced.send(request(b"", TRACEPARENT, target=b"/keep")).close()
    (span,) = receiver.spans
    assert seen == [f"00-{TRACE}-{span.id}-01"]


def test_without_a_collector_what_the_caller_says_is_passed_on():
    seen = []

    def keep(http):
        seen.append(http.headers[b"traceparent"])
        return HttpResponse(200)

    client = Client(Route("POST", "/keep", keep), access_log=True)
    client.send(request(b"", TRACEPARENT, target=b"/keep"))
    assert seen == [f"00-{TRACE}-{PARENT}-01".encode()]
    assert client.lines[0]["trace_id"] == TRACE


def test_who_gives_up_is_a_span_all_the_same(receiver):
    traced = Traced(receiver.url, hold=True)
    traced.send(request(b"[[1,2,3]]", TRACEPARENT))
    traced.client.connection.connection_lost(None)
    traced.close()
    (span,) = receiver.spans
    assert (span.trace_id, span.status, span.attributes["http.response.status_code"]) == (TRACE, 0, 499)


def failing(http):
    raise RuntimeError(http.path)


@pytest.mark.parametrize("style", ["json", "text"])
def test_each_line_about_a_request_says_its_trace(receiver, capsys, style):
    log.configure("info", style, sys.stderr)
    traced, client = Traced(receiver.url, Route("GET", "/bug", failing)), Client(Route("GET", "/bug", failing))
    for asked in (traced, client):
        asked.send(b"GET /bug HTTP/1.1\r\nHost: a\r\nX-Request-Id: a-bug\r\n" + TRACEPARENT + b"\r\n\r\n")
    traced.close()
    with_span, without = (line for line in capsys.readouterr().err.splitlines() if "request failed" in line)
    assert all(TRACE in line and "a-bug" in line for line in (with_span, without))
    (span,) = receiver.spans
    assert span.id in with_span
    assert "span_id" not in without


def test_exports_are_tried_again_and_refusals_are_not(caplog):
    receiver = Receiver(503, 200, 400)
    traced = Traced(receiver.url, OTEL_BSP_SCHEDULE_DELAY="1", OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    with caplog.at_level(logging.INFO):
        traced.send(request())
        until(lambda: traced.counts == {"exported": 1})
        traced.send(request())
        until(lambda: traced.counts == {"exported": 1, "failed": 1})
    traced.close()
    receiver.close()
    assert len(receiver.paths) == 3
    assert receiver.headers[0]["content-encoding"] == "gzip"
    words = [record.getMessage() for record in caplog.records if "traces" in record.getMessage()]
    assert [word.rpartition(": ")[2] for word in words[-3:]] == [
        "it answered 503",
        "traces are sent again",
        "it answered 400",
    ]


def test_a_server_that_is_asked_all_the_time_exports_whole_batches(receiver):
    traced = Traced(receiver.url, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8")
    for sent in range(1, 21):
        traced.send(request())
        until(lambda sent=sent: traced.counts.get("exported", 0) == sent // 8 * 8)
    traced.close()
    assert [len([span for span in read_export(data)[1] if span.kind == 2]) for data in receiver.exports] == [8, 8, 4]


def test_nobody_waits_for_a_collector_that_does_not_answer():
    traced = Traced("http://127.0.0.1:9", OTEL_BSP_MAX_QUEUE_SIZE="3", OTEL_BSP_SCHEDULE_DELAY="60000")
    began = time.monotonic()
    traced.send(*[request() for _ in range(10)])
    assert traced.client.statuses == [200] * 10
    assert traced.counts == {"dropped": 7}
    traced.close()
    assert time.monotonic() - began < 5
    assert traced.counts == {"dropped": 7, "failed": 3}


def test_a_certificate_that_is_not_there_keeps_no_server_from_starting(caplog):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://a", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere"}
    assert read(environment) is not None
    assert make_tracer(environment, "m", "1", {}) is None
    assert "no traces are sent" in caplog.text
