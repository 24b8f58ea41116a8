"""Paths that TensorFlow Serving and KServe's version 1 share: whose a request is, and answers that clients of both take."""

from __future__ import annotations

import json

import pytest

from contract.models import MODELS, ColumnsPipeline, iris
from contract.wires import Server, server
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.process.ports.listeners import router

PREDICT = "/v1/models/iris:predict"
ROW = [1, 2, 3, 4]
EVENT = {"ce_specversion": "1.0", "ce_id": "7", "ce_source": "/test", "ce_type": "t"}
ENVELOPE = {"specversion": "1.0", "id": "7", "source": "/test", "type": "t"}
STRUCTURED = "application/cloudevents+json"


def protocol_of(model: str, method: str, target: str, body: bytes = b"", **headers: str) -> str:
    """The protocol that was asked, as the metrics have it."""
    asked = Server(model)
    found = []
    asked._app._count = lambda name, *_: found.append(name)
    asked.ask(method, target, body, **headers)
    return found[0]


@pytest.mark.parametrize(
    "body, content_type, protocol",
    [
        (b'{"instances": [[1, 2, 3, 4]]}', "", "tensorflow_serving"),
        (b'{"inputs": [[1, 2, 3, 4]]}', "text/plain", "tensorflow_serving"),
        (b'{"signature_name": "x", "instances": 1}', "", "tensorflow_serving"),
        (b'{"instances": [NaN]}', "", "tensorflow_serving"),
        (b'{"instances": [1, 2', "application/json", "tensorflow_serving"),
        (b'{"a": "instances", "b"', "application/json", "tensorflow_serving"),
        (b"instances = 1", "application/json", "tensorflow_serving"),
        (b"a=1&b=2", "application/x-www-form-urlencoded", "tensorflow_serving"),
        (b"", "", "tensorflow_serving"),
        (b'{"x": [1, 2, 3, 4]}', "", "kserve"),
        (b'{"x": {"instances": 1}}', "", "kserve"),
        (b'{"x": "inputs"}', "application/json", "kserve"),
        (b"[[1, 2, 3, 4]]", "", "kserve"),
        (b"1,2,3,4", "text/csv", "kserve"),
        (b'{"instances": []}', STRUCTURED, "kserve"),
    ],
)
def test_whose_a_request_to_predict_is(body, content_type, protocol):
    assert protocol_of("iris", "POST", PREDICT, body, content_type=content_type) == protocol


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("content_type", ["", "application/json", "text/csv", "text/csv; header=present", STRUCTURED])
@pytest.mark.parametrize("accept", ["", "application/json", "text/csv"])
def test_a_beginning_that_tells_whose_a_body_is_does_so_whatever_follows(model, content_type, accept):
    headers = {b"content-type": content_type.encode(), b"accept": accept.encode()}
    tails = [
        b"",
        b"1",
        b" [[1, 2]]}",
        b'[], "instances": 1, "inputs": 2}',
        b'{}, "dataframe_split": 3',
        b'"\n1,2',
        b"\xff",
    ]
    for route in (route for protocol in Server(model).protocols for route in protocol.routes if route.begins):
        asked = [HttpRequest("POST", "", "", headers, begin + tail, {}) for begin in route.begins for tail in tails]
        assert len({route.when(http) for http in asked}) == 1, route.path


def test_an_event_is_kserve_s_whatever_is_in_it():
    assert protocol_of("iris", "POST", PREDICT, b'{"instances": []}', **EVENT) == "kserve"


@pytest.mark.parametrize(
    "method, target, protocol",
    [
        ("GET", "/v1/models", "kserve"),
        ("GET", "/v1/models/iris", "kserve"),
        ("POST", "/v1/models/iris:explain", "kserve"),
        ("GET", PREDICT, "tensorflow_serving"),
        ("GET", "/v1/models/iris/version/1", "tensorflow_serving"),
        ("POST", "/v1/models/iris/metadata", "tensorflow_serving"),
        ("GET", "/v1/other", ""),
    ],
)
def test_who_answers_elsewhere(method, target, protocol):
    assert protocol_of("iris", method, target) == protocol


def test_the_list_of_models_is_kserve_s_and_openai_s():
    said = json.loads(server("iris").ask("GET", "/v1/models").body)
    assert said["models"] == ["iris"]
    assert [model["id"] for model in said["data"]] == ["iris"]


def test_a_model_that_is_not_ready():
    waiting = Server("iris", ready=False)
    assert waiting.ask("GET", "/v1/models/iris").status == 503
    assert b'"LOADING"' in waiting.ask("GET", "/v1/models/iris/versions/1").body


def test_binary_events_are_answered_with_events():
    answer = server("iris").ask("POST", PREDICT, json.dumps({"instances": [ROW]}).encode(), **EVENT, x_request_id="me")
    assert answer.status == 200
    assert list(json.loads(answer.body)) == ["predictions"]
    assert answer.headers["ce-type"] == "io.kserve.inference.response"
    assert answer.headers["ce-source"] == "io.kserve.inference.iris"
    assert (answer.headers["ce-id"], answer.headers["ce-specversion"]) == ("me", "1.0")


def test_structured_events_are_answered_with_events():
    body = json.dumps({**ENVELOPE, "data": {"instances": [ROW]}}).encode()
    answer = server("iris").ask("POST", PREDICT, body, content_type=STRUCTURED)
    assert (answer.status, answer.content_type) == (200, STRUCTURED)
    assert json.loads(answer.body)["data"] == {
        "predictions": [{"label": "virginica", "probabilities": [0.125, 0.125, 0.75]}]
    }


def test_events_with_bytes_for_a_handler_that_decodes_by_itself():
    answer = server("raw").ask("POST", "/v1/models/raw:predict", b"\xff", **EVENT, content_type="image/png")
    assert answer.body == b"body=\xff"
    assert (answer.content_type, answer.headers["x-handler"]) == ("text/plain", "yes")
    assert "ce-id" in answer.headers
    body = json.dumps({**ENVELOPE, "data_base64": "/w==", "datacontenttype": "image/png"}).encode()
    answer = server("raw").ask("POST", "/v1/models/raw:predict", body, content_type=STRUCTURED)
    assert json.loads(answer.body)["data_base64"] == "Ym9keT3/"


def test_an_event_that_fails_is_no_event():
    answer = server("iris").ask("POST", PREDICT, b'{"instances": [1]}', **EVENT)
    assert (answer.status, list(json.loads(answer.body))) == (400, ["error"])
    assert "ce-id" not in answer.headers


def test_kserve_s_variables_name_the_answer():
    named = Server("iris", environment={"CE_MERGE": "true", "CE_TYPE": "mine", "CE_SOURCE": "here"})
    body = json.dumps({"instances": [ROW]}).encode()
    headers = named.ask("POST", PREDICT, body, **EVENT, ce_own="x").headers
    assert (headers["ce-type"], headers["ce-source"], headers["ce-own"]) == ("mine", "here", "x")
    assert headers["ce-id"] != "7"


def alone(protocol: str, *, ready: bool = True) -> Server:
    """A server on whose port one protocol is spoken alone."""
    pinned = Server("iris", ready=ready)
    pinned._app.routes.open(router(pinned.protocols, protocol))
    return pinned


@pytest.mark.parametrize(
    "method, target, body, status, said",
    [
        ("GET", "/v1/models", b"", 400, {"error": "Missing model name in request."}),
        ("GET", "/v1/models/other", b"", 404, {"error": "Could not find any versions of model other"}),
        ("GET", "/v1/foo", b"", 400, {"error": "Malformed request: GET /v1/foo"}),
        ("POST", "/v1/models", b"", 400, {"error": "Malformed request: POST /v1/models"}),
        ("GET", "/v1/models/a:b", b"", 400, {"error": "Malformed request: GET /v1/models/a:b"}),
        ("POST", "/v1/models/iris:explain", b"", 400, {"error": "Malformed request: POST /v1/models/iris:explain"}),
        ("POST", PREDICT, b"[1, 2]", 400, {"error": "JSON Value: [1, 2] Is not object"}),
        ("POST", PREDICT, b'{"x": 1}', 400, {"error": "Missing 'inputs' or 'instances' key"}),
    ],
)
def test_tensorflow_serving_alone_is_strict(method, target, body, status, said):
    answer = alone("tensorflow_serving").ask(method, target, body)
    assert (answer.status, json.loads(answer.body)) == (status, said)


@pytest.mark.parametrize("ready, state", [(True, "AVAILABLE"), (False, "LOADING")])
def test_tensorflow_serving_alone_says_nothing_else_of_a_model(ready, state):
    answer = alone("tensorflow_serving", ready=ready).ask("GET", "/v1/models/iris")
    (version,) = json.loads(answer.body).pop("model_version_status")
    assert (answer.status, version["state"], version["version"]) == (200, state, "1")
    assert list(json.loads(answer.body)) == ["model_version_status"]


def test_kserve_alone_takes_instances_too():
    answer = alone("kserve").ask("POST", PREDICT, json.dumps({"instances": [ROW]}).encode())
    assert list(json.loads(answer.body)) == ["predictions"]
    assert alone("kserve").ask("GET", "/v1/models/iris/metadata").status == 404


def explaining() -> ColumnsPipeline:
    """Explains a row by its largest value."""
    pipeline = iris()
    pipeline.explains = True
    pipeline.explain = lambda inputs, parameters=None: [{"x": float(row.max())} for row in inputs["x"]]
    return pipeline


def test_explanations_a_row(monkeypatch):
    monkeypatch.setitem(MODELS, "iris", explaining)
    asked = Server("iris")
    body = json.dumps({"instances": [ROW, [9, 0, 0, 0]]}).encode()
    answer = asked.ask("POST", "/v1/models/iris:explain", body)
    assert (answer.status, json.loads(answer.body)) == (200, {"explanations": [{"x": 4.0}, {"x": 9.0}]})
    assert "ce-id" in asked.ask("POST", "/v1/models/iris:explain", body, **EVENT).headers
    assert asked.ask("POST", "/v1/models/iris:explain", b'{"instances": [1]}').status == 400
