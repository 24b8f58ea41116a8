"""The OpenAPI document describes what the server answers, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contract.models import MODELS
from contract.wires import server
from modelbuild_runtime import errors
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.protocols import Prediction

GOLDENS = Path(__file__).parent / "openapi"
WIDTH = 110
FAILING = (
    errors.InvalidInput,
    errors.TooLarge,
    errors.Overloaded,
    errors.PredictionFailed,
    errors.NotReady,
    errors.DeadlineExceeded,
)
"""What any prediction may fail with."""

every_model = pytest.mark.parametrize("model", sorted(MODELS))


@lru_cache
def document(model: str) -> dict:
    return json.loads(server(model).ask("GET", "/openapi.json").body)


def operations(model: str) -> Iterator[tuple[str, str, dict]]:
    for path, methods in document(model)["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def target(path: str, operation: dict) -> str:
    """The path with what its placeholders may be."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["schema"].get("enum", ["any"])[0])
    return path


def parts(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def readable(value: Any, indent: str = "") -> str:
    """JSON in which what fits into a line is one."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    inner = indent + "  "
    named = isinstance(value, dict)
    lines = [
        f"{inner}{json.dumps(key)}: {readable(one, inner)}" if named else f"{inner}{readable(one, inner)}"
        for key, one in (value.items() if named else enumerate(value))
    ]
    start, end = "{}" if named else "[]"
    return "\n".join([start, ",\n".join(lines), f"{indent}{end}"])


@every_model
def test_it_is_valid(model):
    assert list(OpenAPIV31SpecValidator(document(model)).iter_errors()) == []


def test_it_is_as_it_was(golden):
    golden(GOLDENS / "iris.json", readable(document("iris")) + "\n")


@pytest.mark.parametrize("model", sorted(MODELS.keys() - {"iris"}))
def test_what_hangs_on_the_model_is_as_it_was(model, golden):
    whole = document(model)
    told = {**whole, "paths": {"/predict": whole["paths"]["/predict"]}}
    common = document("iris")["components"]["schemas"]
    schemas = {name: one for name, one in whole["components"]["schemas"].items() if common.get(name) != one}
    told["components"] = {"schemas": schemas}
    golden(GOLDENS / f"{model}.json", readable(told) + "\n")


@every_model
def test_it_has_every_route_and_no_other(model):
    protocols = [one for one in server(model).protocols if not one.listener]
    promised = {(route.method, route.path) for one in protocols for route in one.routes if route.operation}
    assert {(method, path) for method, path, _ in operations(model)} == promised


@every_model
def test_what_is_not_promised_is_another_way_to_ask_or_never_done(model):
    """Other methods for what is promised for POST, explanations without an explainer, and what only ever refuses."""
    for protocol in server(model).protocols:
        promised = {route.endpoint for route in protocol.routes if route.operation}
        for route in protocol.routes:
            if route.operation or route.method == "GRPC" or protocol.listener or route.endpoint in promised:
                continue
            if route.when is None and "expla" not in route.path and "*" not in route.path:
                path = route.path.replace("{model}", model).replace("{version}", "1").replace("{region}", "r")
                assert server(model).ask(route.method, path, b"{}").status in {404, 501}, path


@every_model
def test_every_get_that_it_describes_answers_as_it_says(model):
    asking = {
        route.path for one in server(model).protocols for route in one.routes if isinstance(route.endpoint, Prediction)
    }
    for method, path, operation in operations(model):
        if method == "GET" and path not in asking:
            response = server(model).ask("GET", target(path, operation))
            assert response.status == 200, path
            assert response.content_type.partition(";")[0] in operation["responses"]["200"]["content"]


@every_model
def test_its_examples_are_answered(model):
    found = Counter()
    for method, path, operation in operations(model):
        for media, body in operation.get("requestBody", {}).get("content", {}).items():
            for example in body.get("examples", {}).values():
                sent = msgspec.json.encode(example["value"])
                headers = {"content-type": media}
                response = server(model).ask(method, target(path, operation), sent, **headers)
                assert str(response.status) in operation["responses"], path
                if not path.endswith((":classify", ":regress")):  # not what every model does
                    assert 200 <= response.status < 300, (path, response.body)
                    assert b"STATUS_ERROR" not in response.body, path
                found.update(operation["tags"])
    known = server(model).service.examples() and not server(model).service.takes_raw
    expected = {tag["name"] for tag in document(model)["tags"]} - {"operations"} if known else set()
    assert expected <= found.keys()


@every_model
def test_what_predictions_may_fail_with_is_told(model):
    """Each error has the status that its protocol gives it, which is among the responses."""
    for protocol in server(model).protocols:
        for route in protocol.routes:
            if route.operation and isinstance(route.endpoint, Prediction):
                responses = document(model)["paths"][route.path][route.method.lower()]["responses"]
                http = HttpRequest(route.method, route.path, "", {}, b"{}", {"model": model})
                for kind in (*FAILING, *([errors.NotFound] if "{model}" in route.path else [])):
                    status = protocol.error(http, kind("what is wrong", field="x")).status
                    assert str(status) in responses or "default" in responses, (route.path, kind)


@every_model
def test_it_reads_well(model):
    """Ours come first; each operation has a summary, a name of its own, and tags that are explained."""
    tags = [tag["name"] for tag in document(model)["tags"]]
    assert tags[:2] == ["rest", "operations"]
    names = Counter(operation["operationId"] for _, _, operation in operations(model))
    assert set(names.values()) == {1}
    for _, path, operation in operations(model):
        assert operation["summary"], path
        assert set(operation["tags"]) <= set(tags)


@every_model
def test_nothing_stands_in_it_twice(model):
    """References lead somewhere, all that they lead to is used, and no large schema is repeated."""
    whole = document(model)
    components = {f"#/components/{kind}/{name}" for kind, found in whole["components"].items() for name in found}
    references = {part["$ref"] for part in parts(whole) if isinstance(part, dict) and "$ref" in part}
    assert references == components
    bodies = (part for part in parts(whole["paths"]) if isinstance(part, dict) and "schema" in part)
    schemas = Counter(json.dumps(part["schema"]) for part in bodies if "fields" not in part["schema"])  # of an example
    assert [schema for schema, count in schemas.items() if count > 1 and len(schema) > 200] == []


def test_whatever_predicts_says_how_to_set_a_deadline():
    described = server("iris").service.openapi()
    for protocol in server("iris").protocols:
        for route in protocol.routes:
            if route.operation and not protocol.listener:
                operation = described["paths"][route.path][route.method.lower()]
                named = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"]
                if isinstance(route.endpoint, Prediction):
                    assert named.count("x-request-timeout") == named.count("x-envoy-expected-rq-timeout-ms") == 1
