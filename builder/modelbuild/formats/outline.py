"""A JSON document without its bulk: values under given keys, such as the trees of a model, are passed over unbuilt."""

from __future__ import annotations

import json
import re
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

MAX_SIZE = 1 << 31
_SPACE = re.compile(r"[ \t\r\n]*+")
_MARK = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_DECODER = json.JSONDecoder()


def outline(path: Path, without: AbstractSet[str]) -> Any:
    """The document, but for the values of the keys ``without``, on whatever level of objects in objects.

    Raises:
        ValueError: it is no JSON, or larger than 2 GiB.
    """
    if path.stat().st_size > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE >> 30} GiB")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        value, at = _value(text, _space(text, 0), without)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except IndexError as error:
        raise ValueError("it ends too early") from error
    if _space(text, at) != len(text):
        raise ValueError(f"there is more behind its end, at character {at}")
    return value


def _value(text: str, at: int, without: AbstractSet[str]) -> tuple[Any, int]:
    if text[at] == "{":
        return _object(text, at + 1, without)
    value, end = _DECODER.raw_decode(text, at)
    return value, end


def _object(text: str, at: int, without: AbstractSet[str]) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = _space(text, at)
    if text[at] == "}":
        return found, at + 1
    while True:
        _expect(text, at, '"')
        key, at = _DECODER.raw_decode(text, at)
        at = _space(text, at)
        _expect(text, at, ":")
        at = _space(text, at + 1)
        if key in without:
            at = _passed(text, at)
        else:
            found[key], at = _value(text, at, without)
        at = _space(text, at)
        if text[at] == "}":
            return found, at + 1
        _expect(text, at, ",")
        at = _space(text, at + 1)


def _passed(text: str, at: int) -> int:
    """Where a value ends. Of what is in a container only strings and brackets are looked at."""
    if text[at] not in "{[":
        return _DECODER.raw_decode(text, at)[1]
    depth = 0
    while True:
        mark = _MARK.search(text, at)
        if mark is None:
            raise IndexError
        at = mark.end()
        if mark[0] == '"':
            end = _STRING_END.match(text, at)
            if end is None:
                raise IndexError
            at = end.end()
        else:
            depth += 1 if mark[0] in "{[" else -1
            if not depth:
                return at


def _space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing as well


def _expect(text: str, at: int, what: str) -> None:
    if text[at] != what:
        raise ValueError(f"there should be a {what} at character {at}")
