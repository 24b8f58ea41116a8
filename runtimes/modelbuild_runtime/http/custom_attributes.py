"""SageMaker's custom attributes, which a container gives back with its answer (InvokeEndpoint's API reference)."""

from __future__ import annotations

from typing import Tuple

from modelbuild_runtime.http.message import HttpRequest

NAME = "X-Amzn-SageMaker-Custom-Attributes"
LONGEST = 1024

_ASKED = NAME.lower().encode()

Headers = Tuple[Tuple[str, str], ...]


def attributes(http: HttpRequest, said: Headers = ()) -> Headers:
    """The request's own, unless the handler has ``said`` some, or they are not what they may be: visible ASCII."""
    value = http.headers.get(_ASKED)
    if not value or len(value) > LONGEST or not all(0x20 <= byte < 0x7F for byte in value):
        return ()
    if any(name.lower().encode() == _ASKED for name, _ in said):
        return ()
    return ((NAME, value.decode("ascii")),)
