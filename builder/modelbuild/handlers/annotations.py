"""Annotations as they are written: the fields of a class, and the names in what a parameter is said to be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

# How dataclasses, attrs, msgspec and pydantic say more of a field than its default.
_DESCRIBING = frozenset({"field", "Field", "ib", "attrib"})
_DEFAULTS = frozenset({"default", "default_factory", "factory"})
_NAMES = frozenset({"name", "alias"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record by its name on the wire. ``type`` is its annotation, as it is written."""

    name: str
    type: str
    required: bool


def fields_of(node: ast.ClassDef) -> tuple[Field, ...]:
    """The annotated names of a class, in their order."""
    optional = any(item.arg == "total" and ast.unparse(item.value) == "False" for item in node.keywords)
    return tuple(
        _field(item, item.target.id, optional=optional)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not _is_no_field(item)
    )


def names_in(annotation: ast.expr | None) -> tuple[str, ...]:
    """Every name in an annotation, from the left, those in texts too."""
    return tuple(_names(annotation)) if annotation else ()


def _field(node: ast.AnnAssign, name: str, *, optional: bool) -> Field:
    value = node.value
    required = value is None and not optional and "NotRequired" not in names_in(node.annotation)
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in _DESCRIBING:
        said = {item.arg: item.value for item in value.keywords if item.arg}
        first = [item for item in value.args if not _is_ellipsis(item)]
        given = [item for key, item in said.items() if key in _DEFAULTS and not _is_ellipsis(item)]
        required = not first and not given
        renamed = next((item for key, item in said.items() if key in _NAMES), None)
        if isinstance(renamed, ast.Constant) and isinstance(renamed.value, str):
            name = renamed.value
    return Field(name, ast.unparse(node.annotation), required)


def _is_no_field(node: ast.AnnAssign) -> bool:
    return bool({"ClassVar", "KW_ONLY"} & set(names_in(node.annotation)))


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _names(node: ast.expr) -> Iterator[str]:
    for item in ast.walk(node):
        if isinstance(item, ast.Name):
            yield item.id
        elif isinstance(item, ast.Attribute):
            yield item.attr
        elif isinstance(item, ast.Constant) and isinstance(item.value, str):
            try:
                yield from _names(ast.parse(item.value, mode="eval").body)
            except SyntaxError:
                continue  # a text of its own
