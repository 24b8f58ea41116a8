"""The OpenAPI 3.1 document: every route that this server answers, with the contract's own schemas and examples.

What several routes take or answer is told once, under ``components``: the contract's schemas, those that protocols
share among their routes (``schema.Shared``), and what a protocol answers with a status of failure.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from modelbuild_runtime import examples, schema
from modelbuild_runtime.answers.answer import offers
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.problem import problem as problem_shape
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.schema import Schema, Shared

PROBLEM = "application/problem+json"
WORDS = {
    400: "Does not fit the contract, or cannot be read",
    401: "No token, or another",
    403: "Not possible here",
    404: "Not here",
    406: "No answer in the accepted types",
    409: "There already",
    413: "Too large",
    415: "Unknown content type",
    429: "Too many requests wait",
    431: "A header is too long",
    500: "The prediction failed",
    501: "Not done here",
    503: "Not ready, or too many requests wait",
    504: "Took too long",
    507: "Out of memory",
}
"""What statuses of failure mean."""

ANYTHING: Dict[str, Any] = {"*/*": {"schema": {}}}
"""Bodies that a handler reads or writes by itself."""

ERROR = Shared("Error", {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]})
"""What several protocols answer to what fails."""

_ORDER = ("tags", "operationId", "summary", "description", "parameters", "requestBody", "responses", "security")
"""What an operation may say, in the order in which people read it."""
_SECURITY = "securitySchemes"
_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_LIMITED = (
    "One model, asked in the words of many systems: each tag is a protocol, and all lead to the same prediction. "
    "A body may have {bytes} bytes, once unpacked, and {elements} values; more are answered 413. "
    "Bodies may be compressed with gzip or deflate. "
    "What is no request to any route is answered as by any server of HTTP: 404, 405, 408, 414, 417, 431, 501 or 505."
)


def document(service: Service, protocols: Iterable[Protocol]) -> Dict[str, Any]:
    """The document for one model. Routes without an operation are not promised to anybody, and left out, as are those
    that only operators may ask.
    """
    spoken = sorted((one for one in protocols if not one.listener and _is_promised(one)), key=_place)
    paths: Dict[str, Dict[str, Any]] = {}
    for protocol in spoken:
        for route in protocol.routes:
            if route.operation:
                methods = paths.setdefault(route.path, {})
                operation = _operation(service, protocol, route)
                before = methods.get(route.method.lower())
                methods[route.method.lower()] = _merged(before, operation) if before else operation
    schemas = _schemas(service)
    responses: Dict[str, Any] = {}
    for methods in paths.values():
        for method, operation in methods.items():
            methods[method] = _kept_once(_without_repeats(operation, responses), schemas)
    components = {"schemas": schemas, "responses": _kept_once(responses, schemas)}
    keyed: Dict[str, Any] = {"security": [{name: []} for name in _SCHEMES]} if service.settings.keyed else {}
    if keyed:
        components[_SECURITY] = _SCHEMES
    return {
        "openapi": "3.1.0",
        "info": _info(service),
        "tags": [{"name": protocol.name, "description": protocol.title} for protocol in spoken],
        "paths": paths,
        "components": _needed(paths, components),
        **keyed,
    }


def below(whole: Mapping[str, Any], prefix: str, title: str) -> Dict[str, Any]:
    """The part of a document about paths with this prefix, with nothing that they do not need."""
    paths = {path: said for path, said in whole["paths"].items() if path.startswith(prefix)}
    tags = {tag for methods in paths.values() for operation in methods.values() for tag in operation["tags"]}
    return {
        **whole,
        "info": {"title": title, "version": "1.0.0"},
        "tags": [tag for tag in whole["tags"] if tag["name"] in tags],
        "paths": paths,
        "components": _needed(paths, whole["components"]),
    }


def problem(*statuses: int) -> Dict[str, Any]:
    """The responses of an operation to requests that fail in these ways, in our own shape."""
    return failures(_PROBLEM_SCHEMA, *statuses, media=PROBLEM)


def failures(body: Any, *statuses: int, media: str = media_type.JSON) -> Dict[str, Any]:
    """The responses of an operation to requests that fail in these ways, with a body of this schema."""
    return {str(status): {"description": WORDS[status], "content": {media: {"schema": body}}} for status in statuses}


def json_body(body: Any, description: str = "Success") -> Dict[str, Any]:
    """A response, or a request's body, in JSON."""
    return {"description": description, "content": {media_type.JSON: {"schema": body}}}


def asked(body: Any, example: Any = None, name: str = "example") -> Dict[str, Any]:
    """A request's body in JSON, which must be there."""
    return {"required": True, "content": {media_type.JSON: {"schema": body, **examples.one(example, name)}}}


def texts(description: str = "Success") -> Dict[str, Any]:
    """A response in plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def offered(service: Service) -> Tuple[str, ...]:
    """The media types of the answers of POST /predict, and of every route that answers as it does."""
    return offers(service.contract, streams=service.streams and not service.takes_raw)


def questions(service: Service) -> Dict[str, Any]:
    """The bodies that POST /predict, and every route that takes the same, reads: by media type."""
    if service.takes_raw:
        return ANYTHING
    contract = service.contract
    found = examples.bodies(service)
    content: Dict[str, Any] = {
        media_type.JSON: {"schema": schema.QUESTION, **({"examples": found} if found else {})},
        media_type.MULTIPART: _form(contract),
        media_type.URLENCODED: _form(contract),
        media_type.NPY: _ARRAY,
    }
    return {**content, **lines()} if contract.batched else content


def _form(contract: Contract) -> Dict[str, Any]:
    """A field an input; lists of lists are written in JSON."""
    nested = [spec.name for spec in contract.inputs if len(spec.shape) - contract.batched > 1]
    encoding = {name: {"contentType": media_type.JSON} for name in nested}
    strict = schema.RECORD if contract.record else Shared("Form", schema.without_null(schema.record(contract)))
    return {"schema": strict, **({"encoding": encoding} if encoding else {})}


def lines() -> Dict[str, Any]:
    """Bodies with a row a line."""
    return {media_type.CSV: _TABLE, media_type.JSON_LINES: _ROW_A_LINE}


def answers(service: Service) -> Dict[str, Any]:
    """The answers to a prediction, by media type: JSON in the shape of the question, and those without a shape."""
    if service.takes_raw:
        return ANYTHING
    return {**written(service, offered(service)), media_type.JSON: {"schema": schema.ANSWER}}


def written(service: Service, names: Iterable[str]) -> Dict[str, Any]:
    """Answers of these media types, those in JSON of any shape."""
    if service.takes_raw:
        return ANYTHING
    known = {media_type.JSON: {"schema": {}}, media_type.NPY: _ARRAY, media_type.CSV: _TABLE}
    known.update({media_type.JSON_LINES: _ROW_A_LINE, media_type.EVENT_STREAM: EVENTS})
    return {name: known.get(name, {"schema": {"type": "string"}}) for name in names}


def prediction(
    service: Service, summary: str, taken: Mapping[str, Any], given: Mapping[str, Any], failed: Mapping[str, Any]
) -> Dict[str, Any]:
    """The operation of a route that predicts: what it takes and gives by media type, what it answers to what fails. A
    handler that reads and writes by itself may answer anything, and with any status.
    """
    operation = {
        "summary": summary,
        "requestBody": {"required": True, "content": taken},
        "responses": {"200": {"description": "The prediction", "content": given}, **failed},
    }
    if service.takes_raw:
        answer = {"description": "What the handler answers, or an error of the server", "content": ANYTHING}
        operation.update(requestBody={"content": ANYTHING}, responses={"200": answer, "default": answer})
    return operation


def _info(service: Service) -> Dict[str, Any]:
    most = service.settings
    limits = {"bytes": most.max_body, "elements": most.max_elements, "batch": most.max_batch_size}
    said = _LIMITED.format(bytes=f"{most.max_body:,}", elements=f"{most.max_elements:,}")
    version = service.model_version or "0"
    return {"title": service.model_name, "version": version, "description": said, "x-limits": limits}


def _is_promised(protocol: Protocol) -> bool:
    return any(route.operation for route in protocol.routes)


def _place(protocol: Protocol) -> Tuple[bool, bool, str]:
    """Our own come first, and of those what predicts."""
    predicts = any(isinstance(route.endpoint, Prediction) for route in protocol.routes)
    return protocol.error is not problem_shape, not predicts, protocol.name


def _operation(service: Service, protocol: Protocol, route: Route) -> Dict[str, Any]:
    known = {"model": service.model_name, "version": service.model_version}
    said = {parameter["name"] for parameter in route.operation.get("parameters", ()) if parameter["in"] == "path"}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _placeholder(known.get(name))}
        for name in _PLACEHOLDER.findall(route.path)
        if name not in said
    ]
    operation = {"tags": [protocol.name], "operationId": _identity(protocol, route), **route.operation}
    if parameters:
        operation["parameters"] = [*parameters, *operation.get("parameters", ())]
    if service.settings.keyed:
        _ask_for_key(operation, route)
    return {key: operation[key] for key in (*_ORDER, *(operation.keys() - _ORDER)) if key in operation}


def _placeholder(known: Any) -> Schema:
    return {"type": "string", "minLength": 1} if known is None else {"type": "string", "enum": [known]}


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
    parameters = [*one.get("parameters", ()), *other.get("parameters", ())]
    if parameters:
        named = {(parameter["in"], parameter["name"]): parameter for parameter in reversed(parameters)}
        merged["parameters"] = list(reversed(named.values()))
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
    merged["responses"] = dict(sorted(merged["responses"].items()))
    return merged


def _either(one: Mapping[str, Any], other: Mapping[str, Any]) -> Dict[str, Any]:
    content = dict(one)
    for media, body in other.items():
        before = content.get(media)
        content[media] = body if before is None else _any_of(before, body)
    return content


def _any_of(one: Mapping[str, Any], other: Mapping[str, Any]) -> Dict[str, Any]:
    """A media type's body of two: the schemas of both, unless one allows everything, and the examples of both."""
    ways: List[Any] = []
    for way in (one["schema"], other["schema"]):
        inner = way["anyOf"] if isinstance(way, Mapping) and way.keys() == {"anyOf"} else [way]
        ways += [part for part in inner if part not in ways]
    either: Dict[str, Any] = {"schema": {} if {} in ways else ways[0] if len(ways) == 1 else {"anyOf": ways}}
    shown = {**one.get("examples", {}), **other.get("examples", {})}
    return {**either, "examples": shown} if shown else either


def _without_repeats(operation: Dict[str, Any], responses: Dict[str, Any]) -> Dict[str, Any]:
    """The operation with references to what others answer, too, to what fails in the same way."""
    told: Dict[str, Any] = {}
    for status, response in operation["responses"].items():
        name = _failure_name(status, response)
        known = name and responses.setdefault(name, response) == response
        told[status] = {"$ref": f"#/components/responses/{name}"} if known else response
    return {**operation, "responses": told}


def _failure_name(status: str, response: Mapping[str, Any]) -> str:
    """What a failure is called whose bodies have names; nothing for any other response."""
    bodies = [media["schema"] for media in response.get("content", {}).values()]
    if not "400" <= status <= "599" or not bodies or not all(isinstance(body, Shared) for body in bodies):
        return ""
    return ".".join([*(body.name for body in bodies), status])


def _kept_once(part: Any, schemas: Dict[str, Any]) -> Any:
    """The same with references to the schemas that are shared, each of which is put among ``schemas``."""
    if isinstance(part, Shared):
        if part.name not in schemas:
            schemas[part.name] = {}  # a schema may be part of itself
            schemas[part.name] = _kept_once(part.schema, schemas)
        return {"$ref": f"{schema.COMPONENTS}{part.name}"}
    if isinstance(part, Mapping):
        return {key: _kept_once(value, schemas) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [_kept_once(item, schemas) for item in part]
    return part


def _needed(paths: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """The components that something in the paths leads to, in their order."""
    found: Set[Tuple[str, str]] = set()
    _find_references(paths, known, found)
    return {
        kind: {name: one for name, one in all_.items() if (kind, name) in found or kind == _SECURITY}
        for kind, all_ in known.items()
    }


def _find_references(part: Any, known: Mapping[str, Mapping[str, Any]], found: Set[Tuple[str, str]]) -> None:
    for value in part.values() if isinstance(part, Mapping) else part if isinstance(part, (list, tuple)) else ():
        _find_references(value, known, found)
    reference = part.get("$ref") if isinstance(part, Mapping) else None
    if isinstance(reference, str) and reference.startswith("#/components/"):
        kind, name = reference.split("/")[-2:]
        if (kind, name) not in found:
            found.add((kind, name))
            _find_references(known[kind].get(name), known, found)


def _schemas(service: Service) -> Dict[str, Any]:
    found = schema.components(service.contract)
    moved: Dict[str, Any] = found["Record"].pop("$defs", {})
    found.update({f"Record.{name}": part for name, part in moved.items()})
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
    return reference.replace("#/$defs/", f"{schema.COMPONENTS}Record.")


_ARRAY = {
    "schema": Shared(
        "Array", {"contentMediaType": media_type.NPY, "description": "The only array, as numpy.save writes it."}
    )
}
_TABLE = {
    "schema": Shared(
        "Table",
        {
            "type": "string",
            "description": "A line a row, names in a first line or not: text/csv;header=present or absent says it.",
        },
    )
}
_ROW_A_LINE = {"schema": Shared("Lines", {"type": "string", "description": "A row a line, in JSON."})}
EVENTS = {"schema": Shared("Events", {"description": "Server-sent events: a part of the answer each, in JSON."})}
_PROBLEM_SCHEMA = Shared(
    "Problem",
    {
        "type": "object",
        "description": "RFC 9457. `field` names what is wrong, where one thing is.",
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "field": {"type": "string"},
            "request_id": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    },
)
