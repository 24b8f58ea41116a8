"""What schemathesis has to know of this server's bodies."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import strategies as st

DEADLINES = ("x-request-timeout", "x-envoy-expected-rq-timeout-ms")

numbers = st.floats(-1e30, 1e30).map(repr)
lines = st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=3)

# Rows of the only kind of model that is held to accepting whatever the document allows.
schemathesis.openapi.media_type("text/csv", lines.map(lambda rows: "\n".join(map(",".join, rows)).encode()))
schemathesis.openapi.media_type(
    "application/jsonlines", lines.map(lambda rows: "\n".join(f"[{','.join(row)}]" for row in rows).encode())
)
schemathesis.openapi.format("csv", st.lists(numbers, min_size=4, max_size=4).map(",".join))


@schemathesis.deserializer("application/json")
def with_tokens(_context: Any, response: schemathesis.Response) -> Any:
    """NaN and Infinity, which clients of several protocols expect, are no JSON: the document calls them null."""
    return json.loads(response.content, parse_constant=lambda _: None)


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Who says that it waits for next to no time is answered 504: no request is made up with such a deadline."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            given = operation.get("parameters", [])
            operation["parameters"] = [one for one in given if one["name"] not in DEADLINES]
