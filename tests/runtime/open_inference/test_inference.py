"""Which large bodies are read as quickly as small ones."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.open_inference.inference import Inference
from modelbuild_runtime.settings import Settings
from runtime.contracts import TENSOR

RAW = b"\0" * 300_000
TEXT = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [25_000, 3], "parameters": {"binary_data_size": 300_000}}]}
).encode()


def light(body: bytes, length: Any, *, takes_raw: bool = False) -> bool:
    service: Any = SimpleNamespace(
        settings=Settings(), contract=TENSOR, model_name="m", model_version="1", takes_raw=takes_raw
    )
    headers = {} if length is None else {b"inference-header-content-length": str(length).encode()}
    return Inference(service).light(HttpRequest("POST", "/", "", headers, body, {}))


def test_numbers_behind_a_short_text_are():
    assert light(TEXT + RAW, len(TEXT))


@pytest.mark.parametrize(
    "body, length",
    [
        (TEXT + RAW, None),
        (TEXT + RAW, "-5"),
        (TEXT + RAW, "x"),
        (TEXT + RAW, 0),
        (TEXT.replace(b"FP32", b"BYTES") + RAW, len(TEXT) + 1),
        (TEXT.replace(b"FP32", b"\\u0042YTES") + RAW, len(TEXT) + 6),
        (TEXT + b" " * 100_000 + RAW, len(TEXT) + 100_000),
        (TEXT + RAW * 20, len(TEXT)),
    ],
    ids=["all text", "negative", "none", "no text", "texts", "texts in disguise", "a long text", "much to copy"],
)
def test_others_are_not(body, length):
    assert not light(body, length)


def test_what_the_handler_decodes_is_not():
    assert not light(TEXT + RAW, len(TEXT), takes_raw=True)
