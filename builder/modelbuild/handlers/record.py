"""The record that a handler takes, as far as its source says it: what the server will make the contract of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelbuild.handlers.annotations import Field
from modelbuild.handlers.module_source import Class, Module

# Bases of record types that bring no fields.
_PLAIN = frozenset({"BaseModel", "Struct", "TypedDict", "object"})
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record type, by its name."""

    name: str
    fields: tuple[Field, ...]


def record_of(modules: Sequence[Module]) -> Record | None:
    """The record that the handler, the first of its local ``modules``, declares for a row; None where it declares none,
    or has it from elsewhere.
    """
    handler = modules[0]
    for name, position in (("preprocess", 0), ("predict", 1)):
        function = handler.function(name)
        if function is None:
            continue
        named = function.annotated[position] if position < len(function.annotated) else ()
        for kind in named:
            found = _class(kind, handler, modules)
            fields = _fields(found, handler, modules) if found else ()
            if found and fields:
                return Record(found.name, fields)
        return None
    return None


def _class(name: str, module: Module, modules: Sequence[Module]) -> Class | None:
    """The module's own class, or that of the only other that has one of this name."""
    own = [item for item in module.classes if item.name == name]
    others = [item for other in modules[1:] for item in other.classes if item.name == name]
    return own[-1] if own else others[0] if len(others) == 1 else None


def _fields(kind: Class, module: Module, modules: Sequence[Module], depth: int = 0) -> tuple[Field, ...]:
    """With those of its bases, which come first; none where a base is not here to be read."""
    found: dict[str, Field] = {}
    for base in kind.bases:
        if base in _PLAIN:
            continue
        inner = _class(base, module, modules)
        inherited = _fields(inner, module, modules, depth + 1) if inner and depth < _DEEPEST else ()
        if not inherited:
            return ()
        found.update({field.name: field for field in inherited})
    found.update({field.name: field for field in kind.fields})
    return tuple(found.values())
