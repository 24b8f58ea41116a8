from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from modelbuild.errors import VerificationError
from modelbuild.planning.manifest import Example
from modelbuild.verification import verify as module
from modelbuild.verification.verify import UNLOCKED, verify
from modelbuild_runtime.dataplane.dataplane import _failure

CONTRACT = {
    "model": {"name": "tiny"},
    "contract": {},
    "examples": [{"request": {"x": number}, "expected": None, "name": ""} for number in (1, 2)],
}


class Server(BaseHTTPRequestHandler):
    """Doubles "x"; a test changes what it answers through ``answers``."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        status, value = self.server.answers.get(self.path, (200, {}))
        self.answer(status, value if isinstance(value, bytes) else json.dumps(value).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, value = self.server.answers.get("POST", (200, {"y": asked["x"] * 2}))
        self.answer(status, value if isinstance(value, bytes) else json.dumps(value).encode())

    def log_message(self, *_): ...


class Container:
    """A container whose server runs in this process."""

    def __init__(self, url):
        self.url = url
        self.code = None
        self.health = 0
        self.stopped = 0
        self.log = "a line of the log\n"

    def logs(self, lines=50):
        return self.log

    def exit_code(self):
        return self.code

    def probe(self):
        return self.health

    def stop(self, timeout):
        return self.stopped


class Engine:
    def __init__(self, container):
        self.container = container
        self.ran = []

    @contextmanager
    def run(self, image, *, environment):
        self.ran.append((image, dict(environment)))
        yield self.container


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    found.answers = {"/contract": (200, CONTRACT)}
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def engine(server):
    return Engine(Container(f"http://127.0.0.1:{server.server_address[1]}"))


def failure(engine, *examples, **options):
    with pytest.raises(VerificationError) as caught:
        verify(engine, "sha256:abc", examples, **options)
    return caught.value


def test_given_examples(engine):
    found = verify(engine, "sha256:abc", [Example({"x": 1.5}, {"y": 3}, "a"), Example({"x": 2}, None, "b")])
    assert [(one.name, one.answer, one.difference) for one in found.examples] == [
        ("a", {"y": 3.0}, ""),
        ("b", {"y": 4}, ""),
    ]
    assert (found.compared, found.generated) == (1, False)
    assert found.contract == CONTRACT
    [(image, environment)] = engine.ran
    assert image == "sha256:abc"
    assert environment == dict.fromkeys(UNLOCKED, ""), "certificates of the image's environment are not mounted here"


def test_examples_of_the_contract_where_none_are_given(engine):
    found = verify(engine, "sha256:abc", [])
    assert [one.answer for one in found.examples] == [{"y": 2}, {"y": 4}]
    assert found.summary.startswith("2 generated examples answered, 0 compared; ready in ")


def test_what_cannot_be_asked_is_not_verified(engine, server):
    server.answers["/contract"] = (200, {"model": {}, "contract": {"open": True}, "examples": []})
    error = failure(engine)
    assert "cannot be asked" in error.message
    assert "--example" in error.hint


def test_examples_in_the_image_are_compared(engine, server):
    carried = [{"request": {"x": 1}, "expected": {"y": 2}, "name": "request.json"}]
    server.answers["/contract"] = (200, {**CONTRACT, "examples": carried})
    found = verify(engine, "sha256:abc", [])
    assert (found.compared, found.generated) == (1, False)


def test_json_round_trip(engine):
    found = verify(engine, "sha256:abc", [Example({"x": 1}, {"y": 2}, "a")]).to_json()
    assert json.loads(json.dumps(found))["examples"][0]["expected"] == {"y": 2}
    assert found["contract"] == CONTRACT


def test_every_example_that_failed_is_listed(engine):
    error = failure(
        engine, Example({"x": 1}, {"y": 3}, "a"), Example({"x": 1}, {"y": 2}, "b"), Example({"x": 1}, 5, "c")
    )
    assert error.message == "2 of 3 examples failed. a: $.y is 2 instead of 3"
    assert error.details == "c: $ is {'y': 2} instead of 5"


def test_the_tolerance_is_the_users(engine):
    example = Example({"x": 1.0}, {"y": 2.01}, "a")
    assert failure(engine, example).message.endswith("$.y is 2.0 instead of 2.01")
    assert verify(engine, "sha256:abc", [example], tolerance=0.1).compared == 1


def test_a_handlers_failure_shows_the_log(engine, server):
    server.answers["POST"] = (500, {"title": "Prediction failed", "status": 500})
    error = failure(engine, Example({"x": 1}, None, "a"))
    assert error.message == "1 of 1 examples failed. a: it was refused with 500: Prediction failed"
    assert "a line of the log" in error.details


def test_a_failure_begins_with_what_was_raised(engine, server):
    """The words that the server says are those that a client may see, and lead to the log."""
    detail = str(_failure(SimpleNamespace(id="a-1", trace=None), ValueError("no")))
    server.answers["POST"] = (500, {"title": "Prediction failed", "status": 500, "detail": detail})
    engine.container.log = (
        "2026-11-22T19:52:20.400Z ERROR prediction failed: ValueError [a-1]\nTraceback (most recent call last):\n"
        '  File "/opt/mbuild/handler/features.py", line 7, in preprocess\n    raise ValueError("no")\nValueError: no\n'
    )
    error = failure(engine)
    told = "made up from the contract: ValueError: no (features.py, line 7); so it was refused with 500"
    assert error.message == f"2 of 2 examples failed. {told}"
    assert 'raise ValueError("no")' in error.details


def test_a_made_up_example_that_is_refused_asks_for_a_real_one(engine, server):
    server.answers["POST"] = (400, {"detail": "no such category", "field": "city"})
    error = failure(engine)
    assert "made up from the contract: it was refused with 400: city: no such category" in error.message
    assert "--example request.json" in error.hint


@pytest.mark.parametrize("status", [404, 500])
def test_no_contract(engine, server, status):
    server.answers["/contract"] = (status, {})
    assert failure(engine).message == f"GET /contract was answered with {status}."


def test_an_answer_that_is_no_json(engine, server):
    server.answers["POST"] = (200, b"<html>")
    assert "something that is no JSON" in failure(engine, Example({"x": 1}, None, "a")).message


def test_never_ready(engine, server):
    server.answers["/health/ready"] = (503, {})
    error = failure(engine, timeout=0.1)
    assert error.message == "The image was not ready within 0 seconds."
    assert error.details == "a line of the log\n"


def test_ready_after_a_while(engine, server):
    server.answers["/health/ready"] = (503, {})
    threading.Timer(0.1, server.answers.pop, ["/health/ready"]).start()
    assert 0.1 <= verify(engine, "sha256:abc", []).ready_seconds < 5


def test_a_server_that_died(engine):
    engine.container.url, engine.container.code = "", 1
    engine.container.log = (
        "Traceback (most recent call last):\n    File x\nerror: the model is truncated\nhint: copy it again\n"
    )
    error = failure(engine)
    assert error.message == "The image's server ended with exit code 1: the model is truncated"
    assert error.hint == "copy it again"
    assert error.details == ""  # neither the server's frames, nor what was said already


def test_a_server_that_was_killed(engine):
    engine.container.url, engine.container.code, engine.container.log = "", 137, ""
    assert "is there enough memory?): it said nothing" in failure(engine).message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"health": 1}, "HEALTHCHECK fails with exit code 1"),
        ({"stopped": None}, "did not stop within 30 seconds of SIGTERM"),
        ({"stopped": 143}, "After SIGTERM the server ended with exit code 143"),
    ],
)
def test_what_an_image_must_also_do(engine, changes, message):
    for name, value in changes.items():
        setattr(engine.container, name, value)
    assert message in failure(engine).message


def test_an_image_without_a_health_check(engine):
    engine.container.health = None
    assert verify(engine, "sha256:abc", []).generated


def test_health_must_last(engine, server, monkeypatch):
    original = module._ask

    def ask(*arguments):
        server.answers["/health/live"] = (503, {})
        return original(*arguments)

    monkeypatch.setattr(module, "_ask", ask)
    assert failure(engine).message == "After the examples, GET /health/live is answered with 503."


def test_a_server_that_hangs_up(engine, server):
    server.answers["POST"] = (200, {})
    original = Server.do_POST

    def hang_up(self):
        self.close_connection = True

    Server.do_POST = hang_up
    try:
        began = time.monotonic()
        assert "The example a got no answer" in failure(engine, Example({"x": 1}, None, "a")).message
        assert time.monotonic() - began < 5
    finally:
        Server.do_POST = original
