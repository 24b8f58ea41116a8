"""Bytes that came as base64 in a text format (RFC 4648, the standard alphabet, padded)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from modelbuild_runtime.errors import InvalidInput


def decode(text: Any, what: str, field: str = "") -> bytes:
    """The bytes; ``what`` is what the complaint calls the text.

    Raises:
        InvalidInput: it is no text, or not base64.
    """
    if isinstance(text, str):
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise InvalidInput(f"{what} is not base64", field=field)
