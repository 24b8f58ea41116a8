"""The lines of the access log, and that none is lost."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.metrics.marks import Ran
from modelbuild_runtime.process.access_log.lines import Lines
from modelbuild_runtime.process.access_log.styles import JSON, TEXT
from modelbuild_runtime.protocols import Route
from modelbuild_runtime.trace.context import Trace
from runtime.fakes import fake_protocol
from runtime.processes import serving
from runtime.wires import Client, request

ONE_THREAD = {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1}
PROTOCOL = fake_protocol()
BOUND = Router([PROTOCOL]).find(b"POST", b"/predict").only
ASKED = st.sampled_from([BOUND, PROTOCOL, None])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KINDS = st.tuples(ASKED, TEXTS, st.sampled_from(["GET", "POST", "GRPC"]), TEXTS, st.sampled_from([200, 404, 503]))
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
SPAN = Trace("a" * 32, "b" * 16, "c" * 16, True)
PARENT = b"00-%b-%b-00" % (b"a" * 32, b"b" * 16)
TRACES = st.sampled_from([None, SPAN, PARENT, b"nonsense"])
SIZES = st.integers(0, 1 << 40)
SECONDS = st.floats(0, 1e5)
RANS = st.none() | st.builds(Ran, SECONDS, SECONDS, SECONDS, SECONDS, st.integers(1, 99), st.integers(1, 99))
CACHES = st.sampled_from(["", "hit", "miss", "shared"])
TIMES = (SECONDS, SECONDS, SECONDS, SECONDS)
ANSWERED = st.lists(
    st.tuples(KINDS, PRINTABLE, TRACES, CACHES, SIZES, SIZES, SIZES, *TIMES, RANS), min_size=1, max_size=6
)


def expected(one: tuple[Any, ...]) -> dict[str, Any]:
    """What a line says, but for its time: numbers as they are rounded."""
    (asked, model, method, path, status), identity, trace, cache, body, answer, rows, seconds, *times, ran = one
    received, queued, encoding = times
    ended, said = received + seconds, {"method": method, "path": path, "status": status}
    said |= {"severity": "INFO", "message": f"{method} {path} {status}", "request_id": identity}
    if asked is not None:
        said["protocol"] = "fake"
    if asked is BOUND:
        said |= {"route": "/predict", "model": model}
    said |= {"request_bytes": body, "response_bytes": answer, "seconds": round(seconds, 6)}
    if queued or (ran is not None and not cache):
        stages = {"decode": queued - received, "queue": (ended if ran is None else ran.began) - queued}
        if ran is not None:
            stages |= {"preprocess": ran.preprocess, "predict": ran.predict, "postprocess": ran.postprocess}
            stages["encode"] = ended - encoding if encoding else 0.0
        said |= {"stages": {name: round(value, 6) for name, value in stages.items()}, "rows": rows}
    if cache:
        said["cache"] = cache
    if ran is not None:
        said |= {"batch_requests": ran.requests, "batch_rows": ran.rows}
    if trace in {SPAN, PARENT}:
        said["trace_id"] = "a" * 32
    if trace == SPAN:
        said["span_id"] = "c" * 16
    return said


@given(ANSWERED)
def test_any_request_is_one_object_on_one_line(answered):
    lines = b"".join(Lines(JSON).of(answered, 1e9)).split(b"\n")
    assert lines.pop() == b""
    found = [json.loads(line) for line in lines]
    moments = [one.pop("time") for one in found]
    assert all(re.fullmatch(r"2001-09-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment) for moment in moments)
    assert found == [expected(one) for one in answered]


@given(ANSWERED)
def test_any_request_is_one_line_of_text(answered):
    text = b"".join(Lines(TEXT).of(answered, 1e9)).decode()
    lines = text.splitlines()
    assert len(lines) == len(answered)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    for line, one in zip(lines, answered, strict=True):
        said = expected(one)
        assert line.endswith(f" [{said['request_id']}]")
        for name in ("request_bytes", "response_bytes", "batch_rows", "cache", "trace_id", "span_id"):
            assert (
                (f" {name}={said[name]}" in line)
                if name in said
                else (f" {name}=" not in line or one[0][3] or one[0][1])
            )


@pytest.mark.parametrize("ended", [0.0, 0.0009999, 0.001, 0.5, 0.9999999, 1.0])
def test_the_time_is_that_of_the_answer_and_not_of_the_writing(ended):
    many = [
        ((None, "", "GET", "/", 200), "a", None, "", 0, 0, 0, 0.0, at, 0.0, 0.0, None) for at in (ended, ended + 0.0015)
    ]
    first, second = (json.loads(line)["time"] for line in b"".join(Lines(JSON).of(many, 1e9)).splitlines())
    assert first == f"2001-09-09T01:46:{40 + int(ended):02d}.{int(ended * 1000 + 1e-6) % 1000:03d}Z"
    assert second > first


def test_lines_are_made_many_at_once_and_none_waits_for_more_for_long():
    client = Client(access_log=True)
    waits = []
    client.access._later = lambda seconds, then: waits.append((seconds, then))
    for _ in range(150):
        client.send(request())
    assert client.written.text.count(b"\n") == 100
    ((seconds, then),) = waits
    assert seconds <= 0.1
    then()
    assert client.written.text.count(b"\n") == 150
    client.send(request())
    assert len(waits) == 2


@pytest.mark.parametrize("settings", [{}, {"MBUILD_ACCESS_LOG": 1, "MBUILD_LOG_LEVEL": "warning"}])
def test_there_is_none_unless_it_is_asked_for(tmp_path, settings):
    with serving(tmp_path, **settings) as served:
        served.until_ready()
        served.terminate()
        assert "/health/ready" not in served.end()[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_loses_no_line(tmp_path, workers):
    settings = {"MBUILD_ACCESS_LOG": 1, "MBUILD_LOG_FORMAT": "json", "MBUILD_WORKERS": workers, **ONE_THREAD}
    with serving(tmp_path, **settings) as served:
        served.until_ready()
        for _ in range(130):
            assert served.status("/pid") == 200
        served.terminate()
        status, log = served.end()
    assert status == 0
    assert sum(json.loads(line)["message"] == "GET /pid 200" for line in log.splitlines()) == 130


def test_sigterm_loses_no_line_though_a_prediction_holds_up_the_loop(tmp_path):
    with serving(tmp_path, MBUILD_ACCESS_LOG=1, MBUILD_GRACE=0.3, **ONE_THREAD) as served:
        served.until_ready()
        asked = threading.Thread(target=lambda: [served.status("/pid"), hold_up(served)], daemon=True)
        asked.start()
        served.until((tmp_path / "gate").exists)
        served.terminate()
        log = served.end()[1]
    assert log.count("INFO GET /pid 200") == 1


def hold_up(served):
    try:
        served.get("/predict", [[-15, 0, 0]])
    except OSError:
        return


def test_who_does_not_read_the_log_holds_up_nobody_and_gets_all_of_it_in_the_end(tmp_path):
    with serving(tmp_path, reads=False, MBUILD_ACCESS_LOG=1, MBUILD_LOG_FORMAT="json") as served:
        served.until_ready()
        for _ in range(400):  # more than a pipe holds
            assert served.status("/pid") == 200
        served.terminate()
        time.sleep(1)
        status, log = served.end()
    assert status == 0
    assert sum(json.loads(line)["message"] == "GET /pid 200" for line in log.splitlines()) == 400


def test_probes_that_find_all_well_are_not_told_of():
    def well(_http: Any) -> HttpResponse:
        return HttpResponse(200, b"")

    def ill(_http: Any) -> HttpResponse:
        return HttpResponse(503, b"")

    routes = (
        Route("GET", "/well", well, public=True),
        Route("GET", "/ill", ill, public=True),
        Route("GET", "/all", well),
    )
    client = Client(*routes, access_log=True)
    client.send(*(request(b"", method=b"GET", target=path) for path in (b"/well", b"/ill", b"/all")))
    assert client.statuses == [200, 503, 200]
    assert [line["path"] for line in client.lines] == ["/ill", "/all"]
