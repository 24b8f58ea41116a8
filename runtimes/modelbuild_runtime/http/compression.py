"""Compressed answers, for clients that ask for them by naming one coding, as Triton's does. Libraries of HTTP name all
that they know with every request: inside a data centre, packing an answer takes longer than sending it.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Optional

import msgspec

from modelbuild_runtime.http.message import HttpResponse

SLOW = 1 << 16
"""Bytes from which an answer is packed beside the loop."""
LEAST = 256
"""Bytes from which packing is worth while."""
_LEVEL = 1
_WINDOW_BITS = {"gzip": 31, "deflate": 15}


def coding_for(accepted: bytes, response: HttpResponse) -> Optional[str]:
    """The coding that Accept-Encoding asks for, where there is enough to be packed."""
    if len(response.body) < LEAST or any(name.lower() == "content-encoding" for name, _ in response.headers):
        return None
    return _only(accepted)


def compressed(response: HttpResponse, coding: str) -> HttpResponse:
    """The same response, packed. What its headers say of lengths is of what it was before."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS[coding])
    packed = packer.compress(response.body) + packer.flush()
    headers = (*response.headers, ("content-encoding", coding), ("vary", "accept-encoding"))
    return msgspec.structs.replace(response, body=packed, headers=headers)


@lru_cache(maxsize=64)
def _only(accepted: bytes) -> Optional[str]:
    named = []
    for part in accepted.decode("latin-1").lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() not in {"", "identity"} and quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00"}:
            named.append(coding.strip())
    return named[0] if len(named) == 1 and named[0] in _WINDOW_BITS else None
