"""What clients of Multi-Model-Server and TorchServe may rely on, beyond single messages."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from contract.wires import Server, server
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    NotReady,
    Overloaded,
    PredictionFailed,
    RequestTimeout,
    ServerError,
)
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.protocols import Prediction
from modelbuild_runtime.request import Response, Rows
from modelbuild_runtime.torchserve.calls import messages

SERVICE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService"

UNCACHED = {
    "pragma": "no-cache",
    "cache-control": "no-cache; no-store, must-revalidate, private",
    "expires": "Thu, 01 Jan 1970 00:00:00 UTC",
}


def spoken(model: str = "iris"):
    return next(protocol for protocol in server(model).protocols if protocol.name == "torchserve")


def route(model: str, method: str, path: str) -> Prediction:
    return next(one.endpoint for one in spoken(model).routes if (one.method, one.path) == (method, path))


def told(error: ServerError) -> tuple[int, str, str]:
    response = spoken().error(HttpRequest("POST", "/predictions/iris", "", {}, b"", {}), error)
    body = json.loads(response.body)
    assert body["code"] == response.status
    return response.status, body["type"], body["message"]


def failure(cause: BaseException | None, message: str = "see the log") -> PredictionFailed:
    error = PredictionFailed(message)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidInput("x: no number", field="x"), (400, "BadRequestException", "x: no number")),
        (NotFound("there is no /a"), (404, "ResourceNotFoundException", "Requested resource is not found, please refer to API document.")),
        (NotFound("Model not found: a", field="model"), (404, "ModelNotFoundException", "Model not found: a")),
        (MethodNotAllowed("use GET"), (405, "MethodNotAllowedException", "Requested method is not allowed, please refer to API document.")),
        (RequestTimeout("too slow"), (408, "RequestTimeoutException", "too slow")),
        (
            Overloaded("full", retry_after=1),
            (
                503,
                "ServiceUnavailableException",
                "No worker is available to serve request for model: iris. Consider increasing job queue size.",
            ),
        ),
        (NotReady("loading"), (503, "ServiceUnavailableException", "loading")),
        (DeadlineExceeded("late"), (504, "InternalServerException", "late")),
        (failure(KeyError("secret")), (503, "InternalServerException", "Prediction failed")),
        (failure(MemoryError()), (507, "InternalServerException", "Out of resources")),
        (failure(RuntimeError("CUDA out of memory")), (507, "InternalServerException", "Out of resources")),
        (failure(None, "Invalid model predict output"), (503, "InternalServerException", "Invalid model predict output")),
        (ServerError("the server failed"), (500, "InternalServerException", "the server failed")),
    ],
)  # fmt: skip
def test_errors_have_the_words_that_clients_know(error, expected):
    assert told(error) == expected


def test_an_error_that_the_handler_tells_is_not_called_a_bad_request():
    error = ServerError("no such customer")
    error.status = 404
    assert told(error) == (404, "InternalServerException", "no such customer")


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/predictions/iris", b"[1,2,3,4]"),
        ("POST", "/predictions/iris", b"[1]"),
        ("POST", "/predictions/none", b""),
        ("DELETE", "/predictions/iris", b""),
        ("POST", "/iris/predict", b"[1,2,3,4]"),
        ("POST", "/models/iris/invoke", b"[1,2,3,4]"),
        ("OPTIONS", "/", b""),
        ("GET", "/api-description", b""),
        ("OPTIONS", "/predictions/iris", b""),
    ],
)
def test_no_answer_may_be_cached(method, target, body):
    answer = server("iris").ask(method, target, body)
    assert {name: answer.headers[name] for name in UNCACHED} == UNCACHED


def test_a_handler_cannot_have_its_answer_cached():
    answering = Server("raw")
    run = answering.pipeline.run

    def cached(inputs, parameters=None):
        answers = run(inputs, parameters)
        for answer in answers:
            answer.headers = (("cache-control", "max-age=9"), ("x-own", "1"))
        return answers

    answering.pipeline.run = cached
    wire = answering.ask("POST", "/predictions/raw", b"x").wire
    assert wire.lower().count(b"cache-control") == 1
    assert b"x-own: 1" in wire


@pytest.mark.parametrize("model", ["loan", "mar"])
@pytest.mark.parametrize("target", ["/", "/api-description", "/predictions/{}", "/predictions/{}/1"])
def test_descriptions_are_valid_and_in_the_older_dialect(model, target):
    method = "GET" if target == "/api-description" else "OPTIONS"
    answer = server(model).ask(method, target.format(model))
    document = json.loads(answer.body)
    assert (answer.status, document["openapi"]) == (200, "3.0.1")
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    if "{}" in target:
        assert set(document["paths"]) == {"/predictions/{model}", "/predictions/{model}/{version}"}
        assert document["info"]["title"] == f"RESTful API for: {model}"


def test_a_preflight_is_no_question_for_the_api():
    answer = server("iris").ask("OPTIONS", "/", Access_Control_Request_Method="POST")
    assert b"openapi" not in answer.body


def test_invocations_are_theirs_only_where_the_handler_is():
    theirs = server("mar").ask("POST", "/invocations?q=1", b"x")
    assert "q" in json.loads(theirs.body)["given"]
    assert server("raw").ask("POST", "/invocations?q=1", b"x").body == b"body=x"
    assert "cache-control" not in server("raw").ask("POST", "/invocations", b"x").headers
    assert json.loads(server("iris").ask("POST", "/invocations", b"[1,2,3,4]").body)


def test_headers_that_say_how_to_answer_are_the_server_s_not_the_client_s():
    answer = server("mar").ask("POST", "/predictions/mar", b"x", explain="True", url_path="a")
    assert json.loads(answer.body)["explain"] == "False"
    assert json.loads(answer.body)["url_path"] == ""


def test_an_escaped_name_is_the_name():
    assert server("iris").ask("POST", "/predictions/%69ris", b"[1,2,3,4]").status == 200
    answer = server("mar").ask("POST", "/predictions/mar/1/a%2Fb/c", b"x")
    assert json.loads(answer.body)["url_path"] == "a/b/c"


def test_more_path_is_text_of_any_script():
    answer = server("mar").ask("POST", "/predictions/mar/1/%C3%A9%E2%82%AC", b"x")
    assert json.loads(answer.body)["url_path"] == "é€"


def test_queries_that_are_no_text_are_bytes_for_the_handler():
    answer = server("mar").ask("POST", "/models/mar/invoke?a=%ff&b=%C3%A9", b"x")
    assert json.loads(answer.body)["given"]["a"] == "bytearray(b'\\xff')"


def test_parts_are_sent_as_they_are_made():
    made = []

    def parts():
        for part in ("one", b"two", {"three": 3}):
            made.append(part)
            yield part

    prediction = route("mar", "POST", "/predictions/{model}")
    http = HttpRequest("POST", "/predictions/mar", "", {}, b"x", {"model": "mar"})
    response = prediction.encode(http, prediction.decode(http), Response(1, parts=parts(), content_type="text/plain"))
    assert made == []
    assert next(response.parts) == b"one"
    assert made == ["one"]
    assert list(response.parts) == [b"two", b'{"three":3}\n']
    assert response.content_type == "text/plain"
    assert set(UNCACHED) <= {name.lower() for name, _ in response.headers}


def by_grpc(model: str, method: str = "Predictions", **fields) -> HttpRequest:
    message = messages.PredictionsRequest(model_name=model, **fields).SerializeToString()
    return HttpRequest("GRPC", f"{SERVICE}/{method}", "", {}, message, {}, "an-id")


@pytest.mark.parametrize(
    ("model", "inputs", "expected"),
    [
        ("iris", {"data": b"[1, 2, 3, 4]"}, {"x": [1, 2, 3, 4]}),
        ("iris", {"body": b' {"x": [1, 2, 3, 4]}'}, {"x": [1, 2, 3, 4]}),
        ("iris", {"x": b"[1, 2, 3, 4]"}, {"x": [1, 2, 3, 4]}),
        ("loan", {"age": b"40", "income": b"100", "job": b"cook"}, {"age": 40, "income": 100.0, "job": "cook"}),
        ("picture", {"image": b"\xff"}, {"image": b"\xff"}),
    ],
)
def test_inputs_by_grpc_are_a_record_or_a_body(model, inputs, expected):
    request = route(model, "GRPC", f"{SERVICE}/Predictions").decode(by_grpc(model, input=inputs))
    payload = request.payload
    (record,) = payload.items if isinstance(payload, Rows) else [{k: t.data[0] for k, t in payload.tensors.items()}]
    assert (record if isinstance(record, dict) else {"x": record}) == expected


def test_bytes_by_grpc_are_the_only_input():
    request = route("picture", "GRPC", f"{SERVICE}/Predictions").decode(by_grpc("picture", input={"data": b"\xff"}))
    assert request.payload.tensors["image"].data == [b"\xff"]


def test_an_answer_by_grpc_is_what_http_has_as_a_body():
    prediction = route("items", "GRPC", f"{SERVICE}/Predictions")
    http = by_grpc("items", input={"data": b'{"x": 1}'})
    answer = prediction.encode(http, prediction.decode(http), Response(1, rows=[{"a": 1}]))
    assert messages.PredictionResponse.FromString(answer.body).prediction == b'{"a":1}'


@pytest.mark.parametrize(("message", "words"), [(b"\xff", "no PredictionsRequest"), (b"", "model_name is required")])
def test_messages_that_are_wrong(message, words):
    http = HttpRequest("GRPC", f"{SERVICE}/Predictions", "", {}, message, {})
    with pytest.raises(InvalidInput, match=words):
        route("iris", "GRPC", f"{SERVICE}/Predictions").decode(http)


@pytest.mark.parametrize("inputs", [{"y": b"1"}, {}, {"x": b"[1]"}, {"x": b"[1,2,3,4]", "y": b"1"}])
def test_inputs_that_are_wrong(inputs):
    request = route("iris", "GRPC", f"{SERVICE}/Predictions").decode(by_grpc("iris", input=inputs))
    with pytest.raises(InvalidInput):
        Dataplane(server("iris").pipeline).prepare(SimpleNamespace(request=request))


def test_health_by_grpc():
    ping = route("iris", "GRPC", f"{SERVICE}/Ping")
    answer = messages.TorchServeHealthResponse.FromString(ping(by_grpc("iris", "Ping")).body)
    assert json.loads(answer.health) == {"status": "Healthy"}


def test_an_explanation_is_asked_of_a_model_that_explains():
    explaining = Server("iris")
    explaining.service.explains = True
    http = HttpRequest("POST", "/explanations/iris", "", {}, b"[1,2,3,4]", {"model": "iris"})
    prediction = next(
        one.endpoint
        for protocol in explaining.protocols
        for one in protocol.routes
        if (one.method, one.path) == ("POST", "/explanations/{model}")
    )
    request = prediction.decode(http)
    assert request.explain
    answer = prediction.encode(http, request, Response(1, rows=[{"x": [0.5, 0.25, 0, 0]}]))
    assert json.loads(answer.body) == {"x": [0.5, 0.25, 0, 0]}
