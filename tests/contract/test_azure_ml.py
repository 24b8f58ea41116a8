"""What Azure Machine Learning's platform and browsers ask a scoring server."""

from __future__ import annotations

import json
import subprocess

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from contract.clients.environment import HERE, python_of
from contract.models import MODELS, ColumnsPipeline
from contract.wires import Server, server
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec

ROWS = b'{"data": [[1, 2, 3, 4]]}'


@pytest.mark.parametrize(
    ("query", "validator", "version"),
    [
        ("", OpenAPIV2SpecValidator, "2.0"),
        ("?version=2", OpenAPIV2SpecValidator, "2.0"),
        ("?version=3", OpenAPIV30SpecValidator, "3.0.1"),
        ("?version=3.0", OpenAPIV30SpecValidator, "3.0.1"),
        ("?version=3.1", OpenAPIV31SpecValidator, "3.1.0"),
    ],
)
def test_swagger_in_the_version_that_is_asked_for(query, validator, version):
    document = json.loads(server("loan").ask("GET", f"/swagger.json{query}").body)
    assert version in (document.get("swagger"), document.get("openapi"))
    assert list(validator(document).iter_errors()) == []
    assert set(document["paths"]["/score"]) == {"get", "post", "options"}


def test_browsers_may_ask_from_where_the_environment_says():
    one = Server("iris", environment={"AML_CORS_ORIGINS": "https://a.example, https://b.example"})
    allowed = one.ask("OPTIONS", "/score", Origin="https://b.example")
    assert allowed.headers["access-control-allow-origin"] == "https://b.example"
    assert one.ask("POST", "/score", ROWS, Origin="https://b.example").headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in one.ask("POST", "/score", ROWS, Origin="https://c.example").headers
    assert (
        "access-control-allow-origin"
        not in server("iris").ask("POST", "/score", ROWS, Origin="https://a.example").headers
    )


def test_the_version_of_the_platform_s_server_comes_back():
    one = Server("iris", environment={"HTTP_X_MS_SERVER_VERSION": "azmlinfsrv/1.5.1"})
    assert one.ask("POST", "/score", ROWS).headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"


def test_a_run_that_failed_is_told_as_one():
    broken = Server("iris")
    broken.pipeline.run = lambda inputs, parameters=None: 1 / 0
    answer = broken.ask("POST", "/score", ROWS)
    assert answer.status == 500
    assert answer.headers["x-ms-run-function-failed"] == "True"
    expected = "An unexpected error occurred in scoring script. Check the logs for more info."
    assert json.loads(answer.body)["message"].startswith(expected)


@pytest.mark.parametrize("name", ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"])
def test_ids_may_have_so_many_characters_and_no_more(name):
    assert server("iris").ask("POST", "/score", ROWS, **{name: "i" * 100}).headers[name] == "i" * 100
    answer = server("iris").ask("POST", "/score", ROWS, **{name: "i" * 101})
    assert answer.status == 431
    assert "must not exceed 100 characters" in json.loads(answer.body)["message"]


JSON = {"content-type": "application/json"}
ASKED: list[tuple[str, str, dict[str, str], str]] = [
    ("POST", "/score", JSON, '{"data": [[1, 2, 3, 4], [5, 6, 7, 8]]}'),
    ("POST", "/score", {"content-type": "application/json; charset=utf-8"}, '{"data": [[1, 2, 3, 4]]}'),
    ("POST", "/score", {**JSON, "x-request-id": "an-id"}, '{"data": [[1, 2, 3, 4]]}'),
    ("POST", "/score", {**JSON, "x-ms-request-id": "older", "TraceId": "t"}, '{"data": [[1, 2, 3, 4]]}'),
    ("POST", "/score", {**JSON, "x-ms-client-request-id": "client"}, '{"data": [[1, 2, 3, 4]]}'),
    ("POST", "/score", {**JSON, "x-request-id": "i" * 101}, '{"data": [[1, 2, 3, 4]]}'),
    ("POST", "/score", {**JSON, "x-ms-client-request-id": "i" * 101}, '{"data": [[1, 2, 3, 4]]}'),
    ("POST", "/score", JSON, '{"data": [[1, 2'),
    ("POST", "/score", JSON, ""),
    ("POST", "/score", {"content-type": "application/x-thing"}, "x"),
    ("OPTIONS", "/score", {}, ""),
    ("PUT", "/score", {}, ""),
    ("GET", "/swagger.json?version=9", {}, ""),
]
SAME_MESSAGE = {404, 431}
COMPARED = ("x-ms-run-function-failed", "x-ms-client-request-id", "x-ms-server-version", "traceid")


def halves() -> ColumnsPipeline:
    x, y = TensorSpec("x", "FP64", (-1, 4)), TensorSpec("y", "FP64", (-1, 4))
    return ColumnsPipeline(Contract((x,), (y,)), lambda inputs: {"y": inputs["x"] / 2})


@pytest.mark.slow
def test_the_platform_s_own_server_answers_the_same(monkeypatch):
    command = [str(python_of("azure_ml")), str(HERE / "azure_ml_oracle.py")]
    done = subprocess.run(command, input=json.dumps(ASKED), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setitem(MODELS, "halves", halves)
    one = Server("halves", environment={"HTTP_X_MS_SERVER_VERSION": "azmlinfsrv/1.5.1"})
    for (method, target, headers, body), (status, said, text) in zip(ASKED, json.loads(done.stdout), strict=True):
        sent = {name.encode(): value.encode() for name, value in headers.items()}
        answer = one.request(method.encode(), target.encode(), sent, body.encode())
        case = f"{method} {target} {headers} {body}"
        assert answer.status == status, case
        theirs = {name.lower(): value for name, value in said.items()}
        if status != 405:  # theirs says nothing of itself then
            assert {name: answer.headers.get(name) for name in COMPARED} == {
                name: theirs.get(name) for name in COMPARED
            }, case
        for name in {"x-request-id", "x-ms-request-id"} & set(headers) if status < 400 else ():
            assert answer.headers[name] == theirs[name], case
        if status == 200:
            assert answer.body.decode() == text == "" or json.loads(answer.body) == json.loads(text), case
        elif status in SAME_MESSAGE:
            assert json.loads(answer.body) == json.loads(text), case
        else:
            assert set(json.loads(answer.body)) == set(json.loads(text)) == {"message"}, case
