"""Clipper's applications: which requests are theirs, and what they get when the model is late."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from contract.server import serving
from contract.wires import SETTINGS, Server, server
from modelbuild_runtime.errors import DeadlineExceeded, InvalidInput, Overloaded, PredictionFailed
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.protocols.clipper import LATE, protocol

ONE = b'{"input": [1, 2, 3, 4]}'
TWO = b' {"input_batch": [[1, 2, 3, 4], [1, 2, 3, 4]]}'


def service(**settings):
    return Server("iris", settings=replace(SETTINGS, **settings)).service


def asked(body: bytes, name: str = "iris", received: float = 10.0) -> HttpRequest:
    return HttpRequest("POST", f"/{name}/predict", "", {}, body, {"model": name}, "an-id", received)


@pytest.mark.parametrize(
    ("body", "ours"),
    [
        (ONE, True),
        (TWO, True),
        (b'\n{"input": null, "version": "1"}', True),
        (b'{"input": 1, "input_batch": [1]}', False),
        (b'{"input": 1, "other": 2}', False),
        (b'{"version": "1"}', False),
        (b'{"data": [1]}', False),
        (b'[{"input": 1}]', False),
        (b'{"input": 1', False),
        (b'{"input": ' + b"[" * 100_000, False),
        (b"\x93NUMPY", False),
        (b"", False),
    ],
)
def test_a_request_is_clipper_s_where_it_looks_like_it(body, ours):
    when = protocol(service(apps="digits")).routes[0].when
    assert when(asked(body)) is ours
    assert when(asked(body, "digits")) is True


@pytest.mark.parametrize("error", [Overloaded("full", retry_after=3), DeadlineExceeded("late")])
def test_what_is_late_is_answered_with_the_default_output(error):
    clipper = protocol(service(default_output="[0, 1]"))
    one = clipper.error(asked(ONE), error)
    assert one.status == 200
    answer = json.loads(one.body)
    assert answer.pop("query_id") >= 0
    assert answer == {"output": [0, 1], "default": True, "default_explanation": LATE}
    two = json.loads(clipper.error(asked(TWO), error).body)["batch_predictions"]
    assert [item["default"] for item in two] == [True, True]
    assert two[1]["query_id"] == two[0]["query_id"] + 1


@pytest.mark.parametrize(
    ("text", "output"), [("", ""), ("no idea", "no idea"), ('"0"', "0"), ("-1.5", -1.5), ("NaN", "NaN"), ("null", None)]
)
def test_the_default_output_is_json_where_it_can_be(text, output):
    answer = protocol(service(default_output=text)).error(asked(ONE), DeadlineExceeded("late"))
    assert json.loads(answer.body)["output"] == output


def test_a_failure_is_an_error_and_not_a_default_output():
    answer = protocol(service()).error(asked(ONE), PredictionFailed("the log says why"))
    assert (answer.status, json.loads(answer.body)) == (
        500,
        {"error": "An unexpected error occurred!", "cause": "the log says why"},
    )


def test_names_of_applications():
    clipper = protocol(service(apps=" one,two:bytes ,, "))
    decode = clipper.routes[0].endpoint.decode
    assert decode(asked(b'{"input": "aGk="}', "one")).payload.items == ["aGk="]
    assert decode(asked(b'{"input": "aGk="}', "two")).payload.items == [b"hi"]
    with pytest.raises(InvalidInput, match="not base64"):
        decode(asked(b'{"input": 5}', "two"))


def test_ids_differ_between_requests_and_are_the_same_for_the_same():
    first, again, other = (
        json.loads(server("iris").ask("POST", "/iris/predict", ONE, x_request_id=name).body)["query_id"]
        for name in ("a", "a", "b")
    )
    assert first == again != other
    assert 0 <= first < 1 << 53


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("application/json", "application/json"),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain"),
        ("application/json;q=0.1, text/plain", "text/plain"),
    ],
)
def test_metrics_are_json_only_for_those_who_want_it(accept, content_type):
    answer = server("iris").ask("GET", "/metrics", accept=accept)
    assert answer.content_type.partition(";")[0] == content_type


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SLO", "0.1"), ("DEFAULT_OUTPUT", '{"none": true}'), ("APPS", "hello")):
            patch.setenv(f"MBUILD_{name}", value)
        with serving(tmp_path_factory.mktemp("clipper"), inputs, "echo") as found:
            yield found


def predicted(address: str, body: Any) -> Any:
    request = urllib.request.Request(f"http://{address}/hello/predict", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_a_model_that_is_slow_is_not_waited_for(address):
    assert predicted(address, {"input": "1"})["output"] == 1
    answers = [predicted(address, {"input_batch": ["sleep", "b"]})["batch_predictions"] for _ in range(4)]
    assert [(one["output"], one["default"]) for one in answers[-1]] == [({"none": True}, True)] * 2
    assert answers[-1][0]["default_explanation"] == LATE
