"""What several routes of the document share, told once and referred to: the contract's schemas, those that protocols
share among their routes (``schema.Shared``), and what a protocol answers with a status of failure.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence, Set, Tuple

from modelbuild_runtime import schema
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.schema import Shared

SECURITY = "securitySchemes"
"""The kind of component that is kept, though no reference leads to it."""

Paths = Dict[str, Dict[str, Any]]
"""Operations, by path and method."""


def told_once(paths: Paths, contract: Contract) -> Tuple[Paths, Dict[str, Dict[str, Any]]]:
    """The same paths with references to what they share, and the components that hold it."""
    schemas = _schemas(contract)
    responses: Dict[str, Any] = {}
    told = {
        path: {m: _kept_once(_without_repeats(operation, responses), schemas) for m, operation in methods.items()}
        for path, methods in paths.items()
    }
    return told, {"schemas": schemas, "responses": _kept_once(responses, schemas)}


def needed(paths: Paths, known: Mapping[str, Mapping[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """The components that something in the paths leads to, in their order."""
    found: Set[Tuple[str, str]] = set()
    _find_references(paths, known, found)
    return {
        kind: {name: one for name, one in all_.items() if (kind, name) in found or kind == SECURITY}
        for kind, all_ in known.items()
    }


def _schemas(contract: Contract) -> Dict[str, Any]:
    found = schema.components(contract)
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


def _find_references(part: Any, known: Mapping[str, Mapping[str, Any]], found: Set[Tuple[str, str]]) -> None:
    for value in part.values() if isinstance(part, Mapping) else part if isinstance(part, (list, tuple)) else ():
        _find_references(value, known, found)
    reference = part.get("$ref") if isinstance(part, Mapping) else None
    if isinstance(reference, str) and reference.startswith("#/components/"):
        kind, name = reference.split("/")[-2:]
        if (kind, name) not in found:
            found.add((kind, name))
            _find_references(known[kind].get(name), known, found)
