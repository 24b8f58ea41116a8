from __future__ import annotations

from modelbuild_runtime import openapi, schema
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.openapi.document import below, document
from modelbuild_runtime.protocols import Protocol, Route
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.signature import TensorSpec


class Service:
    model_name = "m"
    model_version = ""
    settings = Settings(max_body=1000, max_elements=2000, max_batch_size=3)
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
    return document(Service(), protocols)


def test_a_record_s_own_definitions_move_into_the_document():
    one = Protocol("a", "A", (route("/p", requestBody=openapi.asked(schema.RECORD)),), problem)
    schemas = documented(one)["components"]["schemas"]
    assert schemas == {
        "Record": {"$ref": "#/components/schemas/Record.House"},
        "Record.House": {"properties": {"k": {"$ref": "#/components/schemas/Record.Kind"}}},
        "Record.Kind": {},
    }


def test_what_is_shared_is_told_once_and_what_nobody_needs_is_not_told():
    inner = schema.Shared("Inner", {"type": "string"})
    body = openapi.json_body(schema.Shared("Outer", {"items": inner}))
    routes = tuple(route(path, responses={"200": body, **openapi.failures(inner, 400)}) for path in ("/p", "/q"))
    found = documented(Protocol("a", "A", routes, problem))
    reference = {"$ref": "#/components/schemas/Inner"}
    assert found["components"]["schemas"] == {"Inner": {"type": "string"}, "Outer": {"items": reference}}
    for path in ("/p", "/q"):
        responses = found["paths"][path]["post"]["responses"]
        assert responses["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Outer"}
        assert responses["400"] == {"$ref": "#/components/responses/Inner.400"}
    assert found["components"]["responses"]["Inner.400"]["content"]["application/json"]["schema"] == reference


def test_the_part_below_a_path_has_what_it_needs_and_no_more():
    shared = {name: openapi.json_body(schema.Shared(name, {"type": "string"})) for name in ("A", "B")}
    one = Protocol("a", "A", (route("/a/x", responses={"200": shared["A"]}),), problem)
    two = Protocol("b", "B", (route("/b/x", responses={"200": shared["B"]}),), problem)
    part = below(documented(one, two), "/a/", "Part")
    assert (part["info"]["title"], list(part["paths"])) == ("Part", ["/a/x"])
    assert [tag["name"] for tag in part["tags"]] == ["a"]
    assert part["components"] == {"schemas": {"A": {"type": "string"}}, "responses": {}}


def test_a_handler_that_reads_and_writes_by_itself_may_answer_anything():
    service = Service()
    service.takes_raw = True
    said = openapi.prediction(service, "s", {}, {}, openapi.problem(400))
    assert said["requestBody"] == {"content": openapi.ANYTHING}
    assert {status: response["content"] for status, response in said["responses"].items()} == {
        "200": openapi.ANYTHING,
        "default": openapi.ANYTHING,
    }


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
