"""The OpenAPI document describes what the server answers, and nothing else."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contract.models import MODELS
from contract.wires import server
from modelbuild_runtime.protocols import Prediction

pytestmark = pytest.mark.parametrize("model", sorted(MODELS))


def document(model: str) -> dict:
    return json.loads(server(model).ask("GET", "/openapi.json").body)


def test_it_is_valid(model):
    assert list(OpenAPIV31SpecValidator(document(model)).iter_errors()) == []


def test_it_has_every_route_and_no_other(model):
    described = {(method.upper(), path) for path, methods in document(model)["paths"].items() for method in methods}
    promised = {
        (route.method, route.path) for one in server(model).protocols for route in one.routes if route.operation
    }
    assert described == promised


def test_what_is_not_promised_is_another_way_to_ask_or_never_done(model):
    """GET and PUT of what is promised for POST, explanations without an explainer, and what only ever refuses."""
    for protocol in server(model).protocols:
        promised = {(route.path, type(route.endpoint)) for route in protocol.routes if route.operation}
        for route in protocol.routes:
            if route.operation or route.method == "GRPC" or "*" in route.path or protocol.listener:
                continue
            if (route.path, type(route.endpoint)) in promised:
                assert route.method in {"GET", "PUT"}
            elif route.when is None:
                target = route.path.replace("{model}", model).replace("{version}", "1").replace("{region}", "r")
                assert server(model).ask(route.method, target, b"{}").status in {404, 501} or "expla" in route.path


def test_every_get_that_it_describes_answers_as_it_says(model):
    asking = {
        route.path for one in server(model).protocols for route in one.routes if isinstance(route.endpoint, Prediction)
    }
    for path, methods in document(model)["paths"].items():
        if "get" in methods and path not in asking and "200" in methods["get"]["responses"]:
            target = path
            for parameter in methods["get"].get("parameters", ()):
                target = target.replace(f"{{{parameter['name']}}}", parameter["schema"].get("enum", ["any"])[0])
            response = server(model).ask("GET", target)
            promised = methods["get"]["responses"]["200"]["content"]
            assert response.status == 200
            assert response.content_type.partition(";")[0] in promised


def test_references_lead_somewhere(model):
    text = server(model).ask("GET", "/openapi.json").body.decode()
    known = document(model)["components"]["schemas"]
    for reference in re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text):
        assert reference in known


def test_its_examples_are_answered(model):
    body = document(model)["paths"]["/predict"]["post"]["requestBody"]["content"]
    for example in body.get("application/json", {}).get("examples", {}).values():
        response = server(model).ask("POST", "/predict", msgspec.json.encode(example["value"]))
        assert response.status == 200
