"""What Vertex AI's platform and its SDK's LocalEndpoint send."""

from __future__ import annotations

import json

import pytest

from contract.wires import Server, server
from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.protocols import vertex
from modelbuild_runtime.request import Response

INSTANCES = b'{"instances": [[1, 2, 3, 4], [9, 2, 3, 4]]}'
PREDICTIONS = {
    "predictions": [
        {"label": "virginica", "probabilities": [0.125, 0.125, 0.75]},
        {"label": "setosa", "probabilities": [0.75, 0.125, 0.125]},
    ]
}


def configured(health: str, predict: str, *, ready: bool = True) -> Server:
    return Server("iris", ready=ready, environment={"AIP_HEALTH_ROUTE": health, "AIP_PREDICT_ROUTE": predict})


@pytest.mark.parametrize(
    ("health", "predict"),
    [
        ("/health", "/predict"),  # the SDK's own for local models
        ("/v1/models/other", "/v1/models/other:predict"),
        ("/v1/endpoints/7/deployedModels/9", "/v1/endpoints/7/deployedModels/9:predict"),
        ("/isalive", "/deep/under/here"),
        ("/both", "/both"),
        ("ping", "invocations/"),
        ("/predict", "/health"),
    ],
)
def test_the_routes_are_those_of_the_environment(health, predict):
    one = configured(health, predict)
    assert one.ask("GET", f"/{health.strip('/')}").status == 200
    assert configured(health, predict, ready=False).ask("GET", f"/{health.strip('/')}").status == 503
    answer = one.ask("POST", f"/{predict.strip('/')}", INSTANCES, Content_Type="application/json")
    assert (answer.status, json.loads(answer.body)) == (200, PREDICTIONS)


@pytest.mark.parametrize("path", ["/v2/models/iris/infer", "/predict", "/invocations"])
def test_a_path_that_another_protocol_has_stays_its_own(path):
    paths = [
        (route.method, route.path)
        for one in configured("", path).protocols
        if one.name == "vertex"
        for route in one.routes
    ]
    assert ("POST", path) not in paths
    body = b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}'
    assert configured("", "/v2/models/iris/infer").ask("POST", "/v2/models/iris/infer", body).status == 200


@pytest.mark.parametrize("path", ["/a b", "/{model}", "/a?b=c"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(SettingError, match="AIP_PREDICT_ROUTE"):
        configured("", path)


def test_predictions_are_valid_json_though_they_are_not_finite():
    answer = server("iris").ask("POST", "/v1/endpoints/1/deployedModels/2:predict", b'{"instances": [[NaN, 2, 3, 4]]}')
    assert json.loads(answer.body, parse_constant=pytest.fail)["predictions"][0]["probabilities"] == [None] * 3


def test_an_error_says_its_detail_on_the_sdk_s_route_too():
    for path in ("/predict", "/v1/endpoints/1/deployedModels/2:predict"):
        answer = server("iris").ask("POST", path, b'{"instances": [[1]]}', Content_Type="application/json")
        assert answer.status == 400
        assert "row 0 has shape [1]" in json.loads(answer.body)["detail"]


@pytest.mark.parametrize(
    ("body", "accept", "streams"),
    [
        (b'{"instances": [1]}', b"", False),
        (b'{"instances": [1]}', b"*/*", False),
        (b'{"instances": [1]}', b"text/event-stream", True),
        (b'{"x": 1}', b"", True),
        (b'{"x": 1}', b"*/*", True),
        (b'{"x": 1}', b"application/json", False),
    ],
)
def test_what_predict_sends_is_answered_whole_and_what_stream_raw_predict_passes_on_in_parts(body, accept, streams):
    one = Server("items")
    one.service.streams = True
    prediction = next(route for route in vertex.protocol(one.service).routes if route.method == "POST").endpoint
    http = HttpRequest("POST", "/", "", {b"accept": accept}, body, {})
    request = prediction.decode(http)
    assert request.stream == streams
    if streams:
        answer = prediction.encode(http, request, Response(1, parts=iter(["a"])))
        expected = b'data: "a"\n\n' if accept == b"text/event-stream" else b'"a"\n'
        assert b"".join(answer.parts or ()) == expected
