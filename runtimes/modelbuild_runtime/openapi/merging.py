"""Two protocols' operations on one route, told as one."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping


def merged(one: Dict[str, Any], other: Mapping[str, Any]) -> Dict[str, Any]:
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
