"""The OpenAPI 3.1 document in older dialects, for clients that read no newer one: OpenAPI 3.0 and Swagger 2.0.

What an older dialect cannot say is said less exactly: every body that the original allows is still allowed. The
original stays as it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

Schema = Dict[str, Any]
Json = Mapping[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
"""What Swagger 2.0 knows; OpenAPI 3.0 knows one more, which nobody serves."""

_LIMITS = (
    "maximum",
    "minimum",
    "multipleOf",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
)
_WORDS = ("title", "description", "format", "default", "example", "readOnly", "writeOnly", "deprecated", "enum")
_KEPT_30 = frozenset((*_LIMITS, *_WORDS, "maxProperties", "minProperties"))
_KEPT_2 = frozenset((*_LIMITS, "type", "format", "items", "default", "enum", "exclusiveMaximum", "exclusiveMinimum"))
"""The words that mean the same before and after; in Swagger 2.0, those of parameters."""

_NULL: Schema = {"enum": [None], "nullable": True}
_JSON = "application/json"
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def to_30(document: Json) -> Dict[str, Any]:
    """The same API in OpenAPI 3.0.1."""
    info = {key: value for key, value in document["info"].items() if key != "summary"}
    old: Dict[str, Any] = {"openapi": "3.0.1", "info": info}
    old.update({key: document[key] for key in ("servers", "tags", "security") if key in document})
    old["paths"] = {path: _operations(methods, _operation_30) for path, methods in document.get("paths", {}).items()}
    shared = document.get("components", {})
    schemas, responses = shared.get("schemas", {}), shared.get("responses", {})
    old["components"] = {"schemas": {name: schema_30(schema) for name, schema in schemas.items()}}
    if responses:
        old["components"]["responses"] = {name: _described_30(response) for name, response in responses.items()}
    if "securitySchemes" in shared:
        old["components"]["securitySchemes"] = shared["securitySchemes"]
    return old


def to_2(document: Json) -> Dict[str, Any]:
    """The same API in Swagger 2.0."""
    newer = to_30(document)
    old: Dict[str, Any] = {"swagger": "2.0", "info": newer["info"]}
    if "tags" in newer:
        old["tags"] = newer["tags"]
    convert = partial(_operation_2, newer["components"].get("responses", {}))
    old["paths"] = {path: _operations(methods, convert) for path, methods in newer["paths"].items()}
    old["definitions"] = {name: schema_2(schema) for name, schema in newer["components"]["schemas"].items()}
    schemes = newer["components"].get("securitySchemes", {})
    if schemes:
        old["securityDefinitions"] = {name: said for name, said in schemes.items() if said["type"] == "apiKey"}
        old["security"] = [asked for asked in newer["security"] if set(asked) <= set(old["securityDefinitions"])]
    return old


def schema_30(schema: Any) -> Schema:
    """A JSON Schema of 2020-12 in the words of OpenAPI 3.0."""
    if not isinstance(schema, Mapping):
        return {} if schema else {"not": {}}
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        reference = {"$ref": schema["$ref"]}
        return {"allOf": [reference], **schema_30(beside)} if beside else reference
    old = {key: value for key, value in schema.items() if key in _KEPT_30}
    old.update({"required": list(schema["required"])} if schema.get("required") else {})
    old.update({"enum": [schema["const"]]} if "const" in schema else {})
    old.update({"example": schema["examples"][0]} if schema.get("examples") else {})
    for words in (_type_30, _limits_30, _members_30, _items_30, _ways_30):
        old.update(words(schema))
    return old


def schema_2(schema: Any) -> Schema:
    """A schema of OpenAPI 3.0 in the words of Swagger 2.0, which knows no choice and no null: both allow anything."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/definitions/")}
    if schema.get("nullable") or "anyOf" in schema or "oneOf" in schema or "not" in schema:
        return {"description": schema["description"]} if "description" in schema else {}
    old = {key: value for key, value in schema.items() if key not in ("writeOnly", "deprecated")}
    if "items" in old:
        old["items"] = schema_2(old["items"])
    if "properties" in old:
        old["properties"] = {name: schema_2(inner) for name, inner in old["properties"].items()}
    if isinstance(old.get("additionalProperties"), Mapping):
        old["additionalProperties"] = schema_2(old["additionalProperties"])
    if "allOf" in old:
        old["allOf"] = [schema_2(way) for way in old["allOf"]]
    return old


def _operations(methods: Json, convert: Callable[[Json], Dict[str, Any]]) -> Dict[str, Any]:
    return {method: convert(operation) for method, operation in methods.items() if method in METHODS}


# OpenAPI 3.0


def _operation_30(operation: Json) -> Dict[str, Any]:
    old = dict(operation)
    if "parameters" in old:
        old["parameters"] = [_described_30(parameter) for parameter in old["parameters"]]
    if "requestBody" in old:
        old["requestBody"] = _described_30(old["requestBody"])
    old["responses"] = {status: _described_30(response) for status, response in old["responses"].items()}
    return old


def _described_30(part: Json) -> Dict[str, Any]:
    """A parameter, a header, a request's or a response's body: whatever has a schema or a content."""
    old = dict(part)
    if "schema" in old:
        old["schema"] = schema_30(old["schema"])
    if "content" in old:
        old["content"] = {name: _described_30(media) for name, media in old["content"].items()}
    if "headers" in old:
        old["headers"] = {name: _described_30(header) for name, header in old["headers"].items()}
    return old


def _type_30(schema: Json) -> Schema:
    """One type at most; null is a property of a type, and bytes are a format of text."""
    if "contentEncoding" in schema or "contentMediaType" in schema:
        return {"type": "string", "format": "byte" if schema.get("contentEncoding") == "base64" else "binary"}
    kinds = _kinds(schema)
    given = [kind for kind in kinds if kind != "null"]
    if len(given) > 1:
        return {}
    old: Schema = {"type": given[0]} if given else {}
    if "null" in kinds:
        old.update(_NULL if not given else {"nullable": True})
    return old


def _limits_30(schema: Json) -> Schema:
    """Exclusive bounds are a bound and a boolean."""
    old: Schema = {}
    for side, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bound = schema.get(exclusive)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool):
            tighter = max if side == "minimum" else min
            limit = tighter(bound, schema.get(side, bound))
            old.update({side: limit, exclusive: limit == bound})
    return old


def _members_30(schema: Json) -> Schema:
    old: Schema = {}
    if "properties" in schema:
        old["properties"] = {name: schema_30(inner) for name, inner in schema["properties"].items()}
    if "additionalProperties" in schema and "patternProperties" not in schema:
        inner = schema["additionalProperties"]
        old["additionalProperties"] = inner if isinstance(inner, bool) else schema_30(inner)
    return old


def _items_30(schema: Json) -> Schema:
    """Arrays must say what they hold; that it depends on the place cannot be said."""
    if "prefixItems" in schema:
        rest = schema.get("items", True)
        ways = [schema_30(inner) for inner in schema["prefixItems"]]
        return {"items": _either(ways if rest is False else [*ways, schema_30(rest)])}
    if "items" in schema:
        return {"items": schema_30(schema["items"])}
    return {"items": {}} if "array" in _kinds(schema) else {}


def _ways_30(schema: Json) -> Schema:
    """The choices, of which a list of types is one. With words left out a value may fit two of them: any will do."""
    given = _kinds(schema)
    choices = [[schema_30(way) for way in schema[key]] for key in ("anyOf", "oneOf") if key in schema]
    if len([kind for kind in given if kind != "null"]) > 1:
        choices.append([schema_30({"type": kind}) for kind in given])
    every = [schema_30(way) for way in schema.get("allOf", ())]
    if len(choices) == 1:
        return {"anyOf": choices[0], **({"allOf": every} if every else {})}
    every += [{"anyOf": ways} for ways in choices]
    return {"allOf": every} if every else {}


def _either(ways: List[Schema]) -> Schema:
    distinct = [way for at, way in enumerate(ways) if way not in ways[:at]]
    if {} in distinct or not distinct:
        return {}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _kinds(schema: Json) -> Sequence[str]:
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


# Swagger 2.0


def _operation_2(shared: Json, operation: Json) -> Dict[str, Any]:
    """With the responses that are kept elsewhere in their places."""
    responses = {
        status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in operation["responses"].items()
    }
    kept = ("tags", "summary", "description", "operationId", "deprecated")
    old: Dict[str, Any] = {key: operation[key] for key in kept if key in operation}
    parameters = [
        _parameter_2(parameter) for parameter in operation.get("parameters", ()) if parameter["in"] != "cookie"
    ]
    taken = operation.get("requestBody")
    if taken and taken.get("content"):
        parameters += _body_2(taken)
        old["consumes"] = list(taken["content"])
    if parameters:
        old["parameters"] = parameters
    given = {media: None for response in responses.values() for media in response.get("content", ())}
    if given:
        old["produces"] = list(given)
    if "security" in operation:  # said only where it may be answered without
        old["security"] = []
    old["responses"] = {status: _response_2(response) for status, response in responses.items()}
    return old


def _parameter_2(parameter: Json) -> Dict[str, Any]:
    """A parameter of the path, the query or the head: its schema's words are its own."""
    old = {key: parameter[key] for key in ("name", "in", "description", "required") if key in parameter}
    return {**old, **_flat_2(parameter.get("schema", {}))}


def _flat_2(schema: Json) -> Schema:
    old = {key: value for key, value in schema.items() if key in _KEPT_2}
    if old.get("type") not in ("string", "number", "integer", "boolean", "array"):
        return {"type": "string"}
    if "items" in old:
        old["items"] = _flat_2(old["items"])
    return old


def _body_2(taken: Json) -> List[Dict[str, Any]]:
    """One body; a form has a parameter a field, where nothing but forms is taken."""
    content = taken["content"]
    form = next((name for name in _FORMS if name in content), None)
    if form and all(name in _FORMS for name in content):
        schema = content[form].get("schema", {})
        required = schema.get("required", ())
        return [
            {"name": name, "in": "formData", "required": name in required, **_field_2(inner, form)}
            for name, inner in schema.get("properties", {}).items()
        ]
    body = {"name": "body", "in": "body", "required": bool(taken.get("required"))}
    return [{**body, "schema": schema_2(_preferred(content) or {})}]


def _field_2(schema: Json, form: str) -> Schema:
    is_file = form == _FORMS[0] and schema.get("format") == "binary"
    return {"type": "file"} if is_file else _flat_2(schema)


def _response_2(response: Json) -> Dict[str, Any]:
    old: Dict[str, Any] = {"description": response.get("description", "")}
    schema = _preferred(response.get("content", {}))
    if schema is not None:
        old["schema"] = schema_2(schema)
    if response.get("headers"):
        old["headers"] = {name: _flat_2(header.get("schema", {})) for name, header in response["headers"].items()}
    return old


def _preferred(content: Json) -> Optional[Json]:
    """Swagger 2.0 has one schema for all media types: JSON's, where there is one."""
    if not content:
        return None
    found: Json = content.get(_JSON) or next(iter(content.values()))
    return found.get("schema", {}) if _JSON in content or len(content) == 1 else {}
