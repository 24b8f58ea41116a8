from __future__ import annotations

import copy
import json

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator

from contract.models import MODELS
from contract.wires import server
from modelbuild_runtime.openapi.older import schema_2, schema_30, to_2, to_30

every_model = pytest.mark.parametrize("model", sorted(MODELS))


def document(model: str) -> dict:
    return json.loads(server(model).ask("GET", "/openapi.json").body)


def with_operation(**operation: object) -> dict:
    whole = {"responses": {"200": {"description": "Success"}}, **operation}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/p": {"post": whole}}}


@every_model
def test_both_are_valid_and_the_original_is_as_it_was(model):
    original = document(model)
    kept = copy.deepcopy(original)
    assert list(OpenAPIV30SpecValidator(to_30(original)).iter_errors()) == []
    assert list(OpenAPIV2SpecValidator(to_2(original)).iter_errors()) == []
    assert original == kept


@every_model
def test_every_operation_is_still_there(model):
    original = document(model)
    expected = {(path, method) for path, methods in original["paths"].items() for method in methods}
    for old in (to_30(original), to_2(original)):
        assert {(path, method) for path, methods in old["paths"].items() for method in methods} == expected


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (True, {}),
        (False, {"not": {}}),
        ({"type": ["number", "null"]}, {"type": "number", "nullable": True}),
        ({"type": "null"}, {"enum": [None], "nullable": True}),
        ({"type": ["integer", "string"]}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ({"const": "ok"}, {"enum": ["ok"]}),
        ({"type": "string", "examples": ["a", "b"]}, {"type": "string", "example": "a"}),
        ({"exclusiveMinimum": 1}, {"minimum": 1, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 9, "maximum": 5}, {"maximum": 5, "exclusiveMaximum": False}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}},
        ),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, {"type": "array", "items": {}}),
        ({"contentMediaType": "application/x-npy"}, {"type": "string", "format": "binary"}),
        ({"type": "string", "contentEncoding": "base64"}, {"type": "string", "format": "byte"}),
        ({"$ref": "#/x"}, {"$ref": "#/x"}),
        ({"$ref": "#/x", "description": "d"}, {"allOf": [{"$ref": "#/x"}], "description": "d"}),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"enum": [None], "nullable": True}]},
        ),
        ({"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}]}),
        (
            {"patternProperties": {"x": {}}, "additionalProperties": False, "required": []},
            {},
        ),
        (
            {"properties": {"a": {"const": 1}}, "required": ["a"]},
            {"properties": {"a": {"enum": [1]}}, "required": ["a"]},
        ),
    ],
)
def test_what_3_0_calls_it(new, old):
    assert schema_30(new) == old


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"$ref": "#/components/schemas/Record"}, {"$ref": "#/definitions/Record"}),
        ({"type": "number", "nullable": True}, {}),
        ({"anyOf": [{"type": "string"}], "description": "d"}, {"description": "d"}),
        (
            {"type": "array", "items": {"$ref": "#/components/schemas/A"}},
            {"type": "array", "items": {"$ref": "#/definitions/A"}},
        ),
        ({"additionalProperties": {"nullable": True}}, {"additionalProperties": {}}),
    ],
)
def test_what_swagger_2_calls_it(new, old):
    assert schema_2(new) == old


def test_a_request_s_body_is_a_parameter_in_swagger_2():
    content = {"application/json": {"schema": {"type": "object"}}, "text/csv": {"schema": {"type": "string"}}}
    old = to_2(with_operation(requestBody={"required": True, "content": content}))["paths"]["/p"]["post"]
    assert old["parameters"] == [{"name": "body", "in": "body", "required": True, "schema": {"type": "object"}}]
    assert old["consumes"] == ["application/json", "text/csv"]


def test_a_form_has_a_parameter_a_field_in_swagger_2():
    schema = {
        "type": "object",
        "properties": {"file": {"contentMediaType": "image/png"}, "n": {"type": "integer"}},
        "required": ["file"],
    }
    old = to_2(with_operation(requestBody={"content": {"multipart/form-data": {"schema": schema}}}))
    assert old["paths"]["/p"]["post"]["parameters"] == [
        {"name": "file", "in": "formData", "required": True, "type": "file"},
        {"name": "n", "in": "formData", "required": False, "type": "integer"},
    ]
    assert list(OpenAPIV2SpecValidator(old).iter_errors()) == []


def test_parameters_of_the_path_and_the_query():
    parameters = [
        {"name": "version", "in": "query", "schema": {"type": "string", "enum": ["2", "3"]}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}},
    ]
    old = to_2(with_operation(parameters=parameters))["paths"]["/p"]["post"]["parameters"]
    assert old == [{"name": "version", "in": "query", "type": "string", "enum": ["2", "3"]}]


def test_what_is_no_operation_of_http_is_left_out():
    strange = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/p": {"grpc": {}}}}
    assert to_30(strange)["paths"] == {"/p": {}}
