"""The envelope of a leap frame: MLeap's TransformFrameRequest and TransformFrameResponse in protobuf's JSON."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Sequence

from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.errors import InvalidInput

OUT_OF_BAND = "the request"
"""The field of what is wrong before a frame is looked at."""


class Envelope(NamedTuple):
    """A question. ``names`` are the columns that are wanted, none for all; ``strict`` where each must be there."""

    model: str = ""
    format: str = ""
    tag: int = 0
    frame: Any = ""
    names: Sequence[str] = ()
    strict: bool = True


def read(body: Any) -> Envelope:
    """Read a question; its members have the names of protobuf's JSON, or those of the messages.

    Raises:
        InvalidInput: it is none.
    """
    try:
        value = json_body.read(body)
    except InvalidInput as error:
        raise misshapen(error.message) from error
    if not isinstance(value, dict):
        raise misshapen("the body must be an object")
    model, form = _member(value, "modelName", "model_name", ""), value.get("format", "")
    if not isinstance(model, str) or not isinstance(form, str):
        raise misshapen("modelName and format must be strings")
    options = value.get("options") or {}
    if not isinstance(options, dict):
        raise misshapen("options must be an object")
    names = options.get("select") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise misshapen("options.select must be a list of strings")
    strict = _member(options, "selectMode", "select_mode", 0) not in ("SELECT_MODE_RELAXED", 2)
    return Envelope(model, form, _tag(value.get("tag", 0)), value.get("frame", ""), names, strict)


def answer(envelope: Envelope, *, frame: str = "", error: str = "") -> Dict[str, Any]:
    """An answer: a frame as base64, or what went wrong. The traceback that MLeap adds stays in the log."""
    status = "STATUS_ERROR" if error else "STATUS_OK"
    told = {"tag": envelope.tag, "format": envelope.format, "frame": frame}
    return {**told, "status": status, "error": error, "backtrace": ""}


def misshapen(message: str) -> InvalidInput:
    """What is wrong with a request whatever its frame is."""
    return InvalidInput(message, field=OUT_OF_BAND)


def _member(value: Dict[str, Any], camel: str, snake: str, default: Any) -> Any:
    return value.get(camel, value.get(snake, default))


def _tag(value: Any) -> int:
    """A number of 64 bits, which protobuf's JSON may write as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(1 << 64)):
        value = int(value)
    if type(value) is float and value.is_integer():  # writers of numbers that know one kind only
        value = int(value)
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise misshapen("tag must be a number that is not negative")
    return value
