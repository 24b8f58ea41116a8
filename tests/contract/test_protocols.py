"""What holds for every file in ``protocols/``: a new one is tested by being there."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

from contract.models import MODELS
from contract.wires import Server, server
from modelbuild_runtime import errors, protocols
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.process.discovery import names
from modelbuild_runtime.protocols import Prediction

FOLDER = Path(protocols.__file__).parent
WIRE = Path(__file__).parent / "wire"
ERRORS = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, errors.ServerError) and error is not errors.ServerError
]

TOLD_AS_TEXT = {("mlflow", errors.UnsupportedMediaType), ("mlflow", errors.UnsupportedCoding)}
"""What the protocol's own server tells in plain text, though it tells all else in JSON."""

every_protocol = pytest.mark.parametrize("name", names())


def speaks_only_grpc(name: str) -> bool:
    return all(route.method == "GRPC" for route in spoken(name).routes)


def spoken(name: str, model: str = "iris") -> protocols.Protocol:
    return next(protocol for protocol in server(model).protocols if protocol.name == name)


@every_protocol
def test_a_protocol_is_named_after_its_file_and_has_routes(name):
    protocol = spoken(name)
    assert protocol.title
    assert protocol.routes
    for route in protocol.routes:
        assert route.method in {"GET", "POST", "PUT", "DELETE", "OPTIONS", "GRPC"}
        assert re.fullmatch(r"/|(/([\w.:-]|\{\w+\})+)+(/\{\w+\*\})?", route.path), route.path


@every_protocol
def test_no_protocol_opens_sockets_or_waits(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.partition(".")[0] for module in imported} & {"asyncio", "socket", "threading", "os", "time"}
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.AsyncFunctionDef, ast.Await))]


@every_protocol
def test_every_route_that_predicts_has_a_golden(name):
    asked = {path.read_bytes().split(b" ")[1].decode() for path in (WIRE / name).glob("*.request")}
    for route in spoken(name).routes:
        if isinstance(route.endpoint, Prediction) and route.method != "GRPC":
            pattern = re.sub(
                r"\\{\w+(\\\*)?\\}", lambda name: ".+" if name.group(1) else "[^/]+", re.escape(route.path)
            )
            assert any(re.fullmatch(pattern, target) for target in asked), f"{route.path} has no golden"


@every_protocol
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_is_json_with_a_fitting_status(name, error):
    if speaks_only_grpc(name):
        pytest.skip("no HTTP")
    http = HttpRequest("POST", "/", "", {}, b"", {}, "an-id")
    response = spoken(name).error(http, error("the message", field="a field", retry_after=2))
    assert response.status >= 400
    if (name, error) in TOLD_AS_TEXT:
        assert response.content_type.startswith("text/plain")
        assert response.body == b"the message"
        return
    assert response.content_type in {"application/json", "application/problem+json"}
    assert "the message" in json.dumps(json.loads(response.body))


@every_protocol
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_of_grpc_is_a_code_and_a_message(name, error):
    for route in spoken(name).routes:
        if route.method == "GRPC" and not route.many:  # an error may be one of many answers
            http = HttpRequest("GRPC", route.path, "", {}, b"", {}, "an-id")
            response = spoken(name).error(http, error("the message", field="a field", retry_after=2))
            told = dict(response.headers)
            assert response.content_type == "application/grpc"
            assert 1 <= int(told["grpc-status"]) <= 16
            assert "the message" in told["grpc-message"]


@every_protocol
@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_server_that_is_not_ready_says_so(name, model):
    waiting = Server(model, ready=False)
    for route in next(protocol for protocol in waiting.protocols if protocol.name == name).routes:
        if route.method != "GRPC" and re.search(r"ready|health$|ping", route.path):
            target = route.path.replace("{model}", model).replace("{version}", "1")
            assert waiting.ask(route.method, target).status == 503, route.path
            assert server(model).ask(route.method, target).status == 200, route.path


@every_protocol
def test_what_the_model_s_code_says_reaches_no_client(name):
    broken = Server("iris")
    broken.pipeline.run = lambda inputs, parameters=None: 1 / 0
    for path in (WIRE / name).glob("iris.*.request"):
        head, _, body = path.read_bytes().partition(b"\n\n")
        method, target, _ = head.split(b"\n")[0].split(b" ")
        fields = (line.partition(b":") for line in head.split(b"\n")[1:])
        response = broken.request(method, target, {k.strip().lower(): v.strip() for k, _, v in fields}, body)
        assert b"division" not in response.body
        assert b"Traceback" not in response.body
        assert response.status in {200, 201, 202, 400, 403, 404, 405, 406, 409, 413, 415, 431, 500, 501, 503}


def test_no_two_protocols_claim_a_route_without_a_condition():
    seen: dict[tuple[str, str, str], str] = {}
    for protocol in server("iris").protocols:
        for route in protocol.routes:
            key = (protocol.listener, route.method, re.sub(r"\{\w+\}", "{}", route.path))
            if route.when is None:
                assert key not in seen, f"{protocol.name} and {seen.get(key)} both claim {key}"
                seen[key] = protocol.name
