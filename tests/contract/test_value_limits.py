"""One limit for the values of a body, whatever the protocol, and whatever the body calls itself."""

from __future__ import annotations

import base64
import json

import pytest

from contract.calls import Caller, code
from contract.wires import server
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.protocols import Prediction

MANY = b"[" + b"[]," * 120_000 + b"[]]"
BODIES = {
    "bare": MANY,
    "instances": b'{"instances":%b}' % MANY,
    "inputs": b'{"inputs":%b}' % MANY,
    "examples": b'{"examples":%b}' % MANY,
    "input_batch": b'{"input_batch":%b}' % MANY,
    "data": b'{"service":"iris","data":%b}' % MANY,
    "frame": b'{"schema":{"fields":[]},"rows":%b}' % MANY,
}
PATHS = sorted(
    {
        route.path.replace("{model}", "iris").replace("{version}", "1").replace("{label}", "stable")
        for protocol in server("iris").protocols
        for route in protocol.routes
        if isinstance(route.endpoint, Prediction) and route.method == "POST"
    }
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_over_http(path, content_type):
    for body in BODIES.values():
        answer = server("iris").ask("POST", path, body, content_type=content_type)
        assert answer.status in {404, 413, 415, 501}, answer.body[:200]


def test_in_an_event_as_base64():
    event = {"specversion": "1.0", "id": "a", "type": "b", "source": "c", "datacontenttype": "application/json"}
    event["data_base64"] = base64.b64encode(BODIES["instances"]).decode()
    kind = "application/cloudevents+json"
    answer = server("iris").ask("POST", "/v1/models/iris:predict", json.dumps(event).encode(), content_type=kind)
    assert answer.status == 413


def test_in_json_of_a_message():
    asked = load("torchserve").PredictionsRequest(model_name="iris", input={"data": MANY})
    method = "org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"
    assert code(Caller(server("iris")).call(method, asked.SerializeToString())) == 8


@pytest.mark.parametrize("field", ["raw", "typed"])
def test_in_a_message_of_tensors(field):
    tensor = {"name": "image", "datatype": "BYTES", "shape": [120_000]}
    if field == "typed":
        tensor["contents"] = {"bytes_contents": [b""] * 120_000}
    asked = load("open_inference").ModelInferRequest(model_name="picture", inputs=[tensor])
    if field == "raw":
        asked.raw_input_contents.append(b"\0\0\0\0" * 120_000)
    method = "inference.GRPCInferenceService/ModelInfer"
    assert code(Caller(server("picture")).call(method, asked.SerializeToString())) == 8
