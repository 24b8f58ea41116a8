"""MLeap's serving: what is told in a body and what in a status, and which requests are its own."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from contract.wires import Server, server
from modelbuild_runtime.errors import DeadlineExceeded, InvalidInput, Overloaded, PredictionFailed, TooLarge
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.protocols.mleap import protocol

FRAME = {
    "schema": {"fields": [{"name": "x", "type": {"type": "list", "base": "double"}}]},
    "rows": [[[1, 2, 3, 4]]],
}
ENVELOPE = {
    "model_name": "iris",
    "format": "ml.combust.mleap.json",
    "tag": "9",
    "frame": base64.b64encode(json.dumps(FRAME).encode()).decode(),
    "options": {"select": ["label"], "select_mode": 2},
}


def asked(path: str, body: bytes = b"", **headers: bytes) -> HttpRequest:
    params = {"model": "iris"} if path == "/models/iris/transform" else {}
    wired = {name.encode(): value for name, value in headers.items()}
    return HttpRequest("POST", path, "", wired, body, params, "an-id", 10.0)


def route(method: str, path: str, model: str = "iris"):
    return next(one for one in protocol(server(model).service).routes if (one.method, one.path) == (method, path))


@pytest.mark.parametrize("error", [InvalidInput("wrong"), PredictionFailed("wrong"), DeadlineExceeded("wrong")])
def test_what_fails_in_a_transform_is_told_in_the_body(error):
    tell = protocol(server("iris").service).error
    for path in ("/models/iris/transform", "/models/transform/"):
        answer = tell(asked(path, json.dumps(ENVELOPE).encode()), error)
        told = json.loads(answer.body)
        assert (answer.status, told["status"], told["error"], told["backtrace"]) == (200, "STATUS_ERROR", "wrong", "")
    assert told["tag"] == 9
    assert tell(asked("/transform"), error).status == error.status


@pytest.mark.parametrize("error", [Overloaded("full"), TooLarge("much")])
def test_what_is_no_transform_s_fault_has_a_status(error):
    tell = protocol(server("iris").service).error
    assert tell(asked("/models/iris/transform"), error).status == error.status


def test_a_body_that_cannot_be_read_is_no_transform():
    answer = server("iris").ask("POST", "/models/transform", b"no gzip", content_encoding="gzip")
    assert (answer.status, answer.content_type) == (400, "application/json")
    body = gzip.compress(json.dumps(ENVELOPE).encode())
    told = json.loads(server("iris").ask("POST", "/models/transform", body, content_encoding="gzip").body)
    assert (told["tag"], told["status"]) == (9, "STATUS_OK")
    assert json.loads(base64.b64decode(told["frame"]))["rows"] == [["virginica"]]


def test_the_timeout_counts_from_the_request_s_arrival():
    decode = route("POST", "/transform").endpoint.decode
    body = json.dumps(FRAME).encode()
    assert decode(asked("/transform", body, timeout=b"1500")).deadline == 11.5
    assert decode(asked("/transform", body)).deadline == 0


def test_values_hidden_in_base64_are_counted_too():
    frame = json.dumps({**FRAME, "rows": [[[0] * 400_000]]}, separators=(",", ":")).encode()
    body = {**ENVELOPE, "frame": base64.b64encode(frame).decode()}
    assert server("iris").ask("POST", "/models/transform", json.dumps(body).encode()).status == 413


@pytest.mark.parametrize(
    ("body", "ours"),
    [
        (b'{"modelName": "iris", "uri": "file:/m.zip"}', True),
        (b'{"modelName": 5, "uri": null}', True),
        (b'{"model_name": "iris", "url": "s3://m"}', False),
        (b'{"modelName": "iris"}', False),
        (b'["modelName", "uri"]', False),
        (b"[" * 100_000, False),
        (b"", False),
    ],
)
def test_a_model_is_loaded_in_mleap_s_words(body, ours):
    assert route("POST", "/models").when(asked("/models", body)) is ours


def test_the_models_are_sagemaker_s_where_it_has_many():
    paths = {(one.method, one.path) for one in protocol(server("iris").service).routes}
    many = Server("iris", environment={"SAGEMAKER_MULTI_MODEL": "true"}).service
    assert paths - {(one.method, one.path) for one in protocol(many).routes} == {
        ("GET", "/models/{model}"),
        ("DELETE", "/models/{model}"),
    }
