"""Detection rules: what a file or folder must look like to be of a format. A closed vocabulary of data, no code.

A rule is a table; all its words must hold. ``not_`` before a word turns it round. Words about contents look at single
files only, ``file`` and ``file_json`` at folders only.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelbuild.errors import UsageError


@dataclass(frozen=True, slots=True)
class Condition:
    """One word with its value."""

    word: str
    value: Any
    negated: bool = False


Rule = tuple[Condition, ...]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list) and bool(value) and all(_is_text(item) for item in value))


def _is_magic(value: object) -> bool:
    if isinstance(value, dict):
        return set(value) <= {"hex", "offset"} and _is_hex(value.get("hex")) and isinstance(value.get("offset"), int)
    return _is_hex(value)


def _is_hex(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(bytes.fromhex(value))
    except ValueError:
        return False


def _is_protobuf(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= {"required", "varint", "bytes"}
        and bool(value.get("required"))
        and all(isinstance(items, list) and all(isinstance(n, int) for n in items) for items in value.values())
    )


def _is_flatbuffer(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"field", "magic"}
        and isinstance(value["field"], int)
        and _is_hex(value["magic"])
    )


def _is_json_entry(place: str) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        return (
            isinstance(value, dict)
            and set(value) <= {place, "key", "equals"}
            and {place, "key"} <= set(value)
            and all(_is_text(item) for item in value.values())
        )

    return check


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the vocabulary: how a value of it is checked, and what it should be."""

    accepts: Callable[[object], bool]
    form: str


VOCABULARY: Mapping[str, Word] = {
    "glob": Word(_is_texts, "a pattern of the artifact's name, or several"),
    "magic": Word(_is_magic, 'hexadecimal bytes at the start, or { hex = "...", offset = 4 }'),
    "text": Word(_is_text, "a regular expression found in the first 64 KiB"),
    "xml_root": Word(_is_text, "the name of an XML document's root element"),
    "protobuf": Word(_is_protobuf, "{ required = [1, 7], varint = [1], bytes = [7] }: top-level field numbers"),
    "flatbuffer": Word(
        _is_flatbuffer, '{ field = 13, magic = "4d4c" }: how the bytes in a field of a FlatBuffers root table begin'
    ),
    "zip_member": Word(_is_texts, "a pattern of a zip member's name, or several that must all be there"),
    "zip_json": Word(_is_json_entry("member"), '{ member = "schema.json", key = "protocol", equals = "1" }'),
    "hdf5_attribute": Word(_is_texts, "an attribute of an HDF5 file's root group, or several that must all be there"),
    "json_key": Word(_is_texts, "a top-level key of a JSON object, or several that must all be there"),
    "yaml_key": Word(_is_texts, "a top-level key of a YAML mapping, or several that must all be there"),
    "pickle_global": Word(_is_texts, "a pattern of module.name that a pickle refers to, or several"),
    "pickle": Word(lambda value: value is True, "true: a pickle, compressed or not"),
    "file": Word(_is_texts, "a pattern of a path inside a folder, or several that must all be there"),
    "file_json": Word(_is_json_entry("file"), '{ file = "metadata/part-*", key = "class", equals = "org.*" }'),
}


def parse_rules(tables: object, where: str) -> tuple[Rule, ...]:
    """Rules from the ``[[detect]]`` tables of a TOML file.

    Raises:
        UsageError: an unknown word, or a value that its word does not take.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) and table for table in tables):
        raise UsageError(f"{where}: 'detect' must be tables with one word or more.", hint="Write [[detect]].")
    return tuple(tuple(_condition(word, value, where) for word, value in table.items()) for table in tables)


def _condition(key: str, value: object, where: str) -> Condition:
    word = key.removeprefix("not_")
    if word not in VOCABULARY:
        near = difflib.get_close_matches(word, VOCABULARY, n=1, cutoff=0.5)
        known = f"Perhaps you meant {near[0]!r}." if near else f"Known words: {', '.join(VOCABULARY)}."
        raise UsageError(f"{where}: unknown word {key!r} in a detection rule.", hint=known)
    if not VOCABULARY[word].accepts(value):
        raise UsageError(f"{where}: {key!r} cannot be {value!r}.", hint=f"It takes {VOCABULARY[word].form}.")
    return Condition(word, value, negated=key != word)
