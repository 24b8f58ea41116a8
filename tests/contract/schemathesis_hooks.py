"""What schemathesis has to know of this server's bodies."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.deserializer("application/json")
def with_tokens(_context: Any, response: schemathesis.Response) -> Any:
    """NaN and Infinity, which clients of several protocols expect, are no JSON: the document calls them null."""
    return json.loads(response.content, parse_constant=lambda _: None)
