"""The OpenAPI 3.1 document: every route that this server answers, with the contract's own schemas and examples."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Mapping, Sequence, Tuple

from modelbuild_runtime import schema
from modelbuild_runtime.answers.answer import offers
from modelbuild_runtime.http import media_type
from modelbuild_runtime.protocols import Protocol, Route, Service

PROBLEM = "application/problem+json"

_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457. `field` names what is wrong, where one thing is.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}


def document(service: Service, protocols: Iterable[Protocol]) -> Dict[str, Any]:
    """The document for one model. Routes without an operation are not promised to anybody, and left out; so is what only
    operators are told.
    """
    spoken = [protocol for protocol in protocols if not protocol.listener]
    paths: Dict[str, Dict[str, Any]] = {}
    for protocol in spoken:
        for route in protocol.routes:
            if route.operation:
                methods = paths.setdefault(route.path, {})
                operation = _operation(service, protocol, route)
                before = methods.get(route.method.lower())
                methods[route.method.lower()] = _merged(before, operation) if before else operation
    return {
        "openapi": "3.1.0",
        "info": {"title": service.model_name, "version": service.model_version or "0"},
        "tags": [{"name": protocol.name, "description": protocol.title} for protocol in spoken],
        "paths": paths,
        "components": {"schemas": _schemas(service), **({"securitySchemes": _SCHEMES} if service.keys else {})},
        **({"security": [{name: []} for name in _SCHEMES]} if service.keys else {}),
    }


def problem(*statuses: int) -> Dict[str, Any]:
    """The responses of an operation to requests that fail in these ways."""
    words = {400: "Does not fit the contract", 406: "No answer in the accepted types", 413: "Too large"}
    words.update({415: "Unknown content type", 429: "Too many requests wait", 500: "The prediction failed"})
    words.update({503: "Not ready", 504: "Took too long"})
    body = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": words[status], "content": body} for status in statuses}


def json_body(body: Mapping[str, Any], description: str = "Success") -> Dict[str, Any]:
    """A response, or a request's body, in JSON."""
    return {"description": description, "content": {"application/json": {"schema": dict(body)}}}


def offered(service: Service) -> Tuple[str, ...]:
    """The media types of the answers of POST /predict, and of every route that answers as it does."""
    return offers(service.contract, streams=service.streams and not service.takes_raw)


def questions(service: Service) -> Dict[str, Any]:
    """The bodies that POST /predict, and every route that takes the same, reads: by media type."""
    if service.takes_raw:
        return {"*/*": {"schema": {}}}
    contract = service.contract
    examples = {f"example{at}": {"value": example.request} for at, example in enumerate(service.examples(), 1)}
    form = {"schema": {"$ref": "#/components/schemas/Record"}}
    content: Dict[str, Any] = {
        media_type.JSON: {"schema": schema.question(contract)},
        media_type.MULTIPART: form,
        media_type.URLENCODED: form,
        media_type.NPY: {"schema": {"contentMediaType": media_type.NPY}},
    }
    if examples:
        content[media_type.JSON]["examples"] = examples
    if contract.batched:
        content[media_type.CSV] = {"schema": {"type": "string"}}
        content[media_type.JSON_LINES] = {"schema": {"type": "string"}}
    return content


def answers(service: Service) -> Dict[str, Any]:
    """The response with a prediction in any of the media types that POST /predict answers in."""
    if service.takes_raw:
        return {"description": "What the handler answers", "content": {"*/*": {"schema": {}}}}
    written: Dict[str, Any] = {name: {"schema": {"type": "string"}} for name in offered(service)}
    written[media_type.JSON] = {"schema": schema.answer(service.contract)}
    written[media_type.NPY] = {"schema": {"contentMediaType": media_type.NPY}}
    return {"description": "The prediction", "content": written}


def _operation(service: Service, protocol: Protocol, route: Route) -> Dict[str, Any]:
    known = {"model": service.model_name, "version": service.model_version}
    said = {parameter["name"] for parameter in route.operation.get("parameters", ()) if parameter["in"] == "path"}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [known[name]]}}
        if name in known
        else {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(route.path)
        if name not in said
    ]
    operation = {"tags": [protocol.name], "operationId": _identity(protocol, route), **route.operation}
    if parameters:
        operation["parameters"] = [*parameters, *operation.get("parameters", ())]
    if service.keys:
        _ask_for_key(operation, route)
    return operation


def _ask_for_key(operation: Dict[str, Any], route: Route) -> None:
    """Keys are wanted by all that does not say otherwise."""
    if route.public is True:
        operation["security"] = []
    elif route.public:
        operation["security"] = [{}, *({name: []} for name in _SCHEMES)]
    else:
        refused = {"description": "No key, or none of this server's", "headers": _CHALLENGE}
        operation["responses"] = {"401": refused, **operation.get("responses", {})}


def _identity(protocol: Protocol, route: Route) -> str:
    return re.sub(r"[\W_]+", "_", f"{protocol.name}_{route.method.lower()}_{route.path}").strip("_")


def _merged(one: Dict[str, Any], other: Mapping[str, Any]) -> Dict[str, Any]:
    """Two protocols on one route: bodies of either."""
    merged = dict(one)
    merged["tags"] = [*one.get("tags", ()), *other.get("tags", ())]
    merged["summary"] = " / ".join(filter(None, (one.get("summary"), other.get("summary"))))
    if "requestBody" in one and "requestBody" in other:
        content = _either(one["requestBody"]["content"], other["requestBody"]["content"])
        merged["requestBody"] = {**one["requestBody"], "content": content}
    merged["responses"] = dict(one.get("responses", {}))
    for status, response in other.get("responses", {}).items():
        before = merged["responses"].get(status)
        if before is None:
            merged["responses"][status] = response
        elif "content" in before and "content" in response:
            merged["responses"][status] = {**before, "content": _either(before["content"], response["content"])}
    return merged


def _either(one: Mapping[str, Any], other: Mapping[str, Any]) -> Dict[str, Any]:
    content = dict(one)
    for media, body in other.items():
        before = content.get(media)
        content[media] = body if before is None else {**before, "schema": {"anyOf": [before["schema"], body["schema"]]}}
    return content


def _schemas(service: Service) -> Dict[str, Any]:
    contract = service.contract
    record = schema.record(contract)
    shared: Dict[str, Any] = record.pop("$defs", {})
    found = {
        "Record": record,
        "Columns": schema.columns(contract),
        "Outputs": schema.outputs(contract),
        "Problem": _PROBLEM_SCHEMA,
        **{f"Record.{name}": part for name, part in shared.items()},
    }
    return {name: _moved(part) for name, part in found.items()}


def _moved(part: Any) -> Any:
    """The same schema with references to the record's own definitions pointing to where they are now."""
    if isinstance(part, Mapping):
        return {
            key: _target(value) if key == "$ref" and isinstance(value, str) else _moved(value)
            for key, value in part.items()
        }
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [_moved(item) for item in part]
    return part


def _target(reference: str) -> str:
    return reference.replace("#/$defs/", "#/components/schemas/Record.")
