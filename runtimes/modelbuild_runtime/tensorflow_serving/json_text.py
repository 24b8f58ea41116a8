"""JSON as TensorFlow Serving reads it: NaN and Infinity are numbers, what follows the object does not matter, and what
is wrong is said in the words of its parser.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from json import JSONDecodeError
from typing import Any, Dict

import msgspec

from modelbuild_runtime.bodies import base64_text, json_body
from modelbuild_runtime.bodies.json_body import Body
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE

LONGEST = 256
"""Bytes of a value that an error shows."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\ufeff?[ \t\r\n]*")
_WORDS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma, or the end of an object or array.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}


def read(body: Body) -> Dict[str, Any]:
    """The object that a body begins with.

    Raises:
        ServerError: there is none, or it is nested too deeply.
    """
    if not body:
        raise InvalidInput("JSON Parse error: The document is empty")
    try:
        value = json_body.read(body)
    except InvalidInput as error:
        value = _beginning(body, error)
    if not isinstance(value, dict):
        raise InvalidInput(f"JSON Value: {shown(value)} Is not object")
    return value


def check_signature(document: Dict[str, Any], refusal: str) -> None:
    """There is one signature; a request may name it. ``refusal`` holds {} for the name of another one.

    Raises:
        InvalidInput: it names another one.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidInput(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string value.",
            field="signature_name",
        )
    if name not in ("", SIGNATURE):
        raise InvalidInput(refusal.format(name[:100]), field="signature_name")


def shown(value: Any) -> str:
    """A value for an error, cut where it is long."""
    text = ""
    try:
        for part in _ENCODER.iterencode(value):
            text += part
            if len(text) >= LONGEST:
                break
    except ValueError:  # a number with thousands of digits
        text += "..."
    return text[:LONGEST]


def kind(value: Any) -> str:
    """The name of a JSON type."""
    if isinstance(value, bool):
        return "True" if value else "False"
    names = {dict: "Object", list: "Array", str: "String", bytes: "String", type(None): "Null"}
    return names.get(type(value), "Number")


def with_bytes(value: Any) -> Any:
    """The same value with bytes in place of each {"b64": text}.

    Raises:
        InvalidInput: a text is not base64.
    """
    return base64_text.with_bytes(value, _unescaped)


def _unescaped(text: str) -> bytes:
    """Base64 whose padding may be missing, and which may have spaces in it."""
    try:
        return msgspec.convert(text, bytes)
    except msgspec.ValidationError:
        plain = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("Unable to base64 decode", field="b64") from error


def _as_sent(value: bytes) -> Dict[str, str]:
    return {"b64": base64.b64encode(value[:LONGEST]).decode()}


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_as_sent)


def _beginning(body: Body, refusal: InvalidInput) -> Any:
    """The value that a body begins with, where the whole is no JSON."""
    try:
        text = bytes(body).decode()
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from error
    start = _SPACE.match(text).end()  # type: ignore[union-attr]
    if start == len(text):
        raise _parse_error("The document is empty.", len(body))
    try:
        _, end = _DECODER.raw_decode(text, start)
    except JSONDecodeError as error:
        words = _WORDS.get(error.msg, "Invalid escape character in string.")
        raise _parse_error(words, len(text[: error.pos].encode())) from error
    if not text[end:].strip():
        raise InvalidInput(f"JSON Parse error: {refusal.message}") from refusal
    return json_body.read(text[start:end].encode())


def _parse_error(words: str, offset: int) -> InvalidInput:
    return InvalidInput(f"JSON Parse error: {words} at offset: {offset}")
