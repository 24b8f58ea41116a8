"""JSON bodies: read fast, limited in nesting, and with the NaN and Infinity tokens that many clients send."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, List, Union

import msgspec
import numpy as np

from modelbuild_runtime.bodies import large_json
from modelbuild_runtime.errors import InvalidInput, TooLarge

Body = Union[bytes, bytearray]

MAX_NESTING = 64
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_TYPE = re.compile(r"`([^`]*)`")
_WORDS = {
    "str": "a string",
    "str | null": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "a list",
    "array | null": "a list",
    "object": "an object",
    "object | null": "an object",
    "null": "null",
}

_decode = msgspec.json.Decoder().decode


def read(body: Body) -> Any:
    """Any JSON value.

    Raises:
        InvalidInput: it is not JSON.
        TooLarge: it is nested too deeply.
    """
    if body.count(b"[") + body.count(b"{") > MAX_NESTING and _depth(body) > MAX_NESTING:
        raise _too_deep()
    try:
        return _decode(body) if len(body) < large_json.LARGE else _read_large(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _with_tokens(body, error)
    except RecursionError as error:
        raise _too_deep() from error


def read_lines(body: Body) -> List[Any]:
    """One JSON value a line; empty lines are skipped. A line that is wrong is named by its number, from 1."""
    lines = []
    for number, line in enumerate(bytes(body).split(b"\n"), 1):
        if line.strip():
            try:
                lines.append(read(line))
            except InvalidInput as error:
                raise InvalidInput(f"line {number}: {error.message}", field=f"line {number}") from error
    return lines


def explained(error: msgspec.ValidationError) -> InvalidInput:
    """What does not fit, with its place in the body as the field."""
    text = str(error)
    found = _PLACE.search(text)
    place = found.group(1) if found else ""
    what = _TYPE.sub(lambda match: _WORDS.get(match.group(1), f"'{match.group(1)}'"), _PLACE.sub("", text))
    return InvalidInput(f"{place}: {what[:1].lower()}{what[1:]}" if place else what, field=place)


def _read_large(body: Body) -> Any:
    with suppress(ValueError):
        return large_json.read(bytes(body))
    return _decode(body)  # whose words name the place


def _with_tokens(body: Body, error: Exception) -> Any:
    if b"NaN" not in body and b"Infinity" not in body:
        raise _not_json(body, error) from error
    import json

    try:
        value = json.loads(body)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except RecursionError as deep:
        raise _too_deep() from deep
    except ValueError as second:
        raise _not_json(body, second) from second
    return value


def _depth(body: Body) -> int:
    """How deeply brackets nest. Those inside strings are told apart only where they would matter."""
    depth = _nesting(body)
    if depth > MAX_NESTING and b'"' in body:
        depth = _nesting(_outside_strings(body))
    return depth


def _outside_strings(body: Body) -> bytes:
    """The brackets that are no text, in linear time whatever the body is: outside strings JSON has no backslash."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_MARKS)
    marks = np.frombuffer(plain, np.uint8)
    quotes = marks == ord('"')
    outside: np.ndarray = marks[~(np.bitwise_xor.accumulate(quotes) | quotes)]
    return outside.tobytes()


def _nesting(body: Body) -> int:
    brackets = np.frombuffer(body.translate(None, _NOT_BRACKETS), np.uint8)
    if not brackets.size:
        return 0
    return int(np.cumsum(_STEP[brackets], dtype=np.int32).max())


def _not_json(body: Body, error: Exception) -> InvalidInput:
    if not body.strip():
        return InvalidInput("the body is empty")
    text = str(error)
    if isinstance(error, UnicodeDecodeError) or "UTF-8" in text:  # msgspec has its own words for it from 0.22
        text = "it is not UTF-8"
    text = text.replace("JSON is malformed: ", "", 1)
    return InvalidInput(f"the body is not JSON: {text[:1].lower()}{text[1:]}")


def _too_deep() -> TooLarge:
    return TooLarge(f"the body nests deeper than {MAX_NESTING} levels")
