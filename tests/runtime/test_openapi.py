from __future__ import annotations

from modelbuild_runtime import openapi
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.protocols import Protocol, Route
from modelbuild_runtime.signature import TensorSpec


class Service:
    model_name = "m"
    model_version = ""
    max_body = 1000
    max_elements = 2000
    max_batch_size = 3
    contract = Contract(
        (TensorSpec("when", "BYTES", (-1,)),),
        record={
            "$ref": "#/$defs/House",
            "$defs": {"House": {"properties": {"k": {"$ref": "#/$defs/Kind"}}}, "Kind": {}},
        },
    )


def route(path: str, **operation) -> Route:
    return Route("POST", path, lambda _: HttpResponse(200), operation={"responses": {}, **operation})


def documented(*protocols):
    return openapi.document(Service(), protocols)


def test_a_record_s_own_definitions_move_into_the_document():
    schemas = documented()["components"]["schemas"]
    assert schemas["Record"] == {"$ref": "#/components/schemas/Record.House"}
    assert schemas["Record.House"] == {"properties": {"k": {"$ref": "#/components/schemas/Record.Kind"}}}
    assert schemas["Record.Kind"] == {}


def test_placeholders_become_parameters_with_what_they_may_be():
    found = documented(Protocol("a", "A", (route("/{model}/{other}"),), problem))["paths"]["/{model}/{other}"]["post"]
    assert found["operationId"] == "a_post_model_other"
    assert [(one["name"], one["schema"]) for one in found["parameters"]] == [
        ("model", {"type": "string", "enum": ["m"]}),
        ("other", {"type": "string", "minLength": 1}),
    ]


def test_routes_without_an_operation_are_not_promised():
    hidden = Route("GET", "/hidden", lambda _: HttpResponse(200))
    assert documented(Protocol("a", "A", (hidden,), problem))["paths"] == {}


def test_two_protocols_on_one_route_are_one_operation():
    def operation(name: str, *kinds: str) -> dict:
        content = {kind: {"schema": {"title": name}} for kind in kinds}
        return {
            "summary": name,
            "requestBody": {"required": True, "content": content},
            "responses": {"200": {"description": name, "content": content}, name: {"description": name}},
        }

    one = Protocol("a", "A", (route("/p", **operation("one", "application/json")),), problem)
    two = Protocol("b", "B", (route("/p", **operation("two", "application/json", "text/csv")),), problem)
    found = documented(one, two)["paths"]["/p"]["post"]
    assert (found["tags"], found["summary"]) == (["a", "b"], "one / two")
    either = {"schema": {"anyOf": [{"title": "one"}, {"title": "two"}]}}
    assert found["requestBody"]["content"] == {"application/json": either, "text/csv": {"schema": {"title": "two"}}}
    assert found["responses"]["200"]["content"]["application/json"] == either
    assert {"one", "two"} <= found["responses"].keys()
