"""The OpenAPI 3.1 document: every route that this server answers, with the contract's own schemas and examples."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Mapping, Tuple

from modelbuild_runtime.http.problem import problem as problem_shape
from modelbuild_runtime.openapi.components import SECURITY, Paths, needed, told_once
from modelbuild_runtime.openapi.merging import merged
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.schema import Schema

_ORDER = ("tags", "operationId", "summary", "description", "parameters", "requestBody", "responses", "security")
"""What an operation may say, in the order in which people read it."""
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
    paths, components = told_once(_paths(service, spoken), service.contract)
    keyed: Dict[str, Any] = {"security": [{name: []} for name in _SCHEMES]} if service.settings.keyed else {}
    if keyed:
        components[SECURITY] = _SCHEMES
    return {
        "openapi": "3.1.0",
        "info": _info(service),
        "tags": [{"name": protocol.name, "description": protocol.title} for protocol in spoken],
        "paths": paths,
        "components": needed(paths, components),
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
        "components": needed(paths, whole["components"]),
    }


def _paths(service: Service, protocols: Iterable[Protocol]) -> Paths:
    paths: Paths = {}
    for protocol in protocols:
        for route in protocol.routes:
            if route.operation:
                methods = paths.setdefault(route.path, {})
                operation = _operation(service, protocol, route)
                before = methods.get(route.method.lower())
                methods[route.method.lower()] = merged(before, operation) if before else operation
    return paths


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
