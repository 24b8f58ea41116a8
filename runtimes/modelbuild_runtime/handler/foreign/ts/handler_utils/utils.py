"""Intermediate answers."""

from __future__ import annotations

from typing import Any


def send_intermediate_predict_response(ret: Any, req_id_map: Any, message: str, code: int, context: Any = None) -> None:
    """Chunks of a streamed answer. This server sends whole answers."""
    raise NotImplementedError("this server does not stream answers: return the whole of it from handle")
