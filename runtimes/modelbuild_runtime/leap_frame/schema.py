"""Schemas of leap frames as JSON. A scalar is written as a word, unless it may not be missing; its word for int is
"integer", while lists, maps and tensors say "int".
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.leap_frame.frame import BASES, BASIC, INT, LIST, MAP, TENSOR, Kind

SCALARS = {("integer" if base == INT else base): base for base in BASES}
WORDS = {base: word for word, base in SCALARS.items()}


def read(value: Any) -> List[Tuple[str, Kind]]:
    """The names and types of the columns.

    Raises:
        InvalidInput: it is no schema, or names a column twice.
    """
    fields = value.get("fields") if isinstance(value, dict) else None
    if not isinstance(fields, list):
        raise InvalidInput("the schema must be an object with a list of fields", field="schema")
    found: Dict[str, Kind] = {}
    for at, field in enumerate(fields):
        name = field.get("name") if isinstance(field, dict) else None
        if not isinstance(name, str):
            raise InvalidInput(f"field {at} of the schema must have a name", field="schema")
        if name in found:
            raise InvalidInput(f"the schema has the field {name!r} twice", field=name)
        found[name] = _kind(name, field.get("type"))
    return list(found.items())


def write(fields: List[Tuple[str, Kind]]) -> Dict[str, Any]:
    """The schema as JSON."""
    return {"fields": [{"name": name, "type": _written(kind)} for name, kind in fields]}


def _kind(name: str, value: Any) -> Kind:
    if isinstance(value, str):
        return Kind(BASIC, _base(name, value, scalar=True))
    if not isinstance(value, dict):
        raise InvalidInput(f"field {name!r}: the type must be a word or an object", field=name)
    shape, nullable = value.get("type"), value.get("isNullable", True)
    if shape not in (BASIC, LIST, MAP, TENSOR):
        raise InvalidInput(f"field {name!r}: {str(shape)[:40]!r} is no type", field=name)
    if not isinstance(nullable, bool):
        raise InvalidInput(f"field {name!r}: isNullable must be true or false", field=name)
    base = _base(name, value.get("base"), scalar=shape == BASIC)
    if shape == MAP:
        return Kind(MAP, base, nullable, key=_base(name, value.get("key")))
    dimensions = value.get("dimensions")
    if shape != TENSOR or dimensions is None:
        return Kind(shape, base, nullable)
    if not isinstance(dimensions, list) or any(type(size) is not int or size < -1 for size in dimensions):
        raise InvalidInput(f"field {name!r}: the dimensions must be a list of sizes", field=name)
    return Kind(TENSOR, base, nullable, dimensions=tuple(dimensions))


def _base(name: str, word: Any, *, scalar: bool = False) -> str:
    known = SCALARS if scalar else WORDS
    if not isinstance(word, str) or word not in known:
        raise InvalidInput(f"field {name!r}: {str(word)[:40]!r} is none of {', '.join(known)}", field=name)
    return SCALARS[word] if scalar else word


def _written(kind: Kind) -> Any:
    if kind.shape == BASIC and kind.nullable:
        return WORDS[kind.base]
    base = WORDS[kind.base] if kind.shape == BASIC else kind.base
    written: Dict[str, Any] = {"type": kind.shape, "base": base}
    if kind.shape == MAP:
        written["key"] = kind.key
    if kind.dimensions is not None:
        written["dimensions"] = kind.dimensions
    return written if kind.nullable else {**written, "isNullable": False}
