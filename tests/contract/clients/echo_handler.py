"""A handler as Multi-Model-Server and TorchServe know them, served by both and by us: it tells what it was given, or does
what it is told.
"""

from __future__ import annotations

import time
from typing import Any

TOLD = ("explain", "url_path", "X-Own")


def handle(data: Any, context: Any) -> Any:
    if data is None:
        return None
    if isinstance(data[0].get("body"), dict) and "all" in data[0]["body"]:
        return data[0]["body"]["all"]
    return [answer(index, row, context) for index, row in enumerate(data)]


def answer(index: int, row: dict[str, Any], context: Any) -> Any:
    body = row.get("body")
    if isinstance(body, dict) and "do" in body:
        return do(index, body, context)
    if "do" in row:  # gRPC's inputs are bytes
        return do(index, BY_NAME[row["do"].decode()], context)
    headers = context.get_all_request_header(index)
    return {
        "fields": {name: shown(value) for name, value in row.items()},
        "types": {name: headers.get(name) for name in row},
        "told": {name: context.get_request_header(index, name) for name in TOLD},
        "batch": context.system_properties["batch_size"],
    }


def shown(value: Any) -> list[Any]:
    text = value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else value
    return [type(value).__name__, text]


def do(index: int, body: dict[str, Any], context: Any) -> Any:
    for name, value in body.get("headers", {}).items():
        context.set_response_header(index, name, value)
    if "type" in body:
        context.set_response_content_type(index, body["type"])
    if "status" in body:
        context.set_response_status(*body["status"], idx=index)
    for part in body.get("parts", ()):
        send(part, context)
    return ACTIONS[body["do"]](body)


def send(part: Any, context: Any) -> None:
    from ts.handler_utils.utils import send_intermediate_predict_response

    send_intermediate_predict_response([part], context.request_ids, "Intermediate Prediction success", 200, context)


def fail(body: dict[str, Any]) -> None:
    raise {"KeyError": KeyError, "MemoryError": MemoryError, "RuntimeError": RuntimeError}[body["error"]](body["text"])


def tell(body: dict[str, Any]) -> None:
    try:
        from ts.utils.util import PredictionException
    except ImportError:
        from mms.service import PredictionException
    raise PredictionException(body["message"], body["code"])


def wait(body: dict[str, Any]) -> str:
    time.sleep(body["seconds"])
    return "waited"


BY_NAME = {
    "fail": {"do": "fail", "error": "KeyError", "text": "secret"},
    "tell": {"do": "tell", "message": "no such thing", "code": 404},
    "parts": {"do": "say", "value": "three", "parts": ["one ", "two "]},
}
ACTIONS = {
    "say": lambda body: body["value"],
    "say bytes": lambda _: b"\x00\xff",
    "say an object": lambda _: object(),
    "say nan": lambda _: float("nan"),
    "fail": fail,
    "tell": tell,
    "wait": wait,
}
