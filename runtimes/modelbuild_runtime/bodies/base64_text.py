"""Bytes that came as base64 in a text format (RFC 4648, the standard alphabet, padded)."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from typing import Any, Callable, List, Optional

import msgspec

from modelbuild_runtime.errors import InvalidInput

_NESTED = (dict, list)


def with_bytes(value: Any, decode_one: Callable[[str], bytes]) -> Any:
    """The same value with bytes in place of each {"b64": text}."""
    if value.__class__ is list:
        found = decode_all(value) if value and value[0].__class__ is dict else None
        if found is not None:
            return found
        return [with_bytes(item, decode_one) if item.__class__ in _NESTED else item for item in value]
    if value.__class__ is not dict:
        return value
    if len(value) == 1 and isinstance(value.get("b64"), str):
        return decode_one(value["b64"])
    return {key: with_bytes(item, decode_one) if item.__class__ in _NESTED else item for key, item in value.items()}


def decode_all(items: List[Any]) -> Optional[List[bytes]]:
    """Those of a list whose items are {"b64": text} throughout, by one call; None where one has to be looked at."""
    try:
        if set(map(len, items)) != {1}:
            return None
        return msgspec.convert([item["b64"] for item in items], List[bytes])
    except (TypeError, KeyError, msgspec.ValidationError):
        return None


def decode(text: Any, what: str, field: str = "") -> bytes:
    """The bytes; ``what`` is what the complaint calls the text.

    Raises:
        InvalidInput: it is no text, or not base64.
    """
    if isinstance(text, str):
        try:
            return msgspec.convert(text, bytes)  # several times as fast, if stricter
        except msgspec.ValidationError:
            with suppress(binascii.Error, ValueError):
                return base64.b64decode(text, validate=True)
    raise InvalidInput(f"{what} is not base64", field=field)
