"""The models that the page is tried with: some of the wire tests' own, a handler, and one whose every word is an attack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from contract.models import MODELS, ColumnsPipeline
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
ENDING = "</script><script>document.title='owned'</script>"


def hostile() -> ColumnsPipeline:
    """Whatever a model says of itself, the page shows as text."""
    labels = (ENDING, "`${document.title='owned'}`")

    def predict(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = len(inputs[HOSTILE])
        return {HOSTILE: np.array([labels[0]] * count, object), ENDING: np.tile([0.25, 0.75], (count, 1))}

    inputs = (TensorSpec(HOSTILE, "BYTES", (-1,), labels=labels), TensorSpec("__proto__", "FP32", (-1,), optional=True))
    outputs = (TensorSpec(HOSTILE, "BYTES", (-1,), labels=labels), TensorSpec(ENDING, "FP64", (-1, 2), labels=labels))
    return ColumnsPipeline(Contract(inputs, outputs), predict)


def wide() -> ColumnsPipeline:
    """An image's worth of numbers, more than an example may have, and more labels than are shown."""
    labels = tuple(f"class {number}" for number in range(20))
    inputs = (TensorSpec("pixels", "FP32", (-1, 3, 32, 32)), TensorSpec("mask", "BOOL", (-1, -1), optional=True))
    outputs = (TensorSpec("scores", "FP32", (-1, 20), labels=labels), TensorSpec("id", "UINT64", (-1,)))

    def predict(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = len(given["pixels"])
        return {
            "scores": np.tile(np.arange(20, dtype=np.float32) - 5, (count, 1)),
            "id": np.full(count, 2**64 - 1, np.uint64),
        }

    return ColumnsPipeline(Contract(inputs, outputs), predict)


def free() -> ColumnsPipeline:
    """A handler that takes any columns."""
    contract = Contract(open=True)
    return ColumnsPipeline(contract, lambda inputs: {"total": np.asarray(inputs["a"]) + np.asarray(inputs["b"])})


PIPELINES = {**MODELS, "hostile": hostile, "wide": wide, "free": free}
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "iris": [
        {"name": "a setosa", "request": {"x": [5.1, 3.5, 1.4, 0.2]}},
        {"name": "a virginica", "request": {"x": [1, 2, 6.3, 1.8]}},
        {"name": "two rows", "request": [[5.1, 3.5, 1.4, 0.2], [5.9, 3.0, 5.1, 1.8]]},
    ],
    "loan": [{"request": {"age": 40, "income": 1200.0, "job": 'it\'s a "cook"'}}],
    "picture": [{"name": "bytes", "request": {"b64": "/wD+"}}, {"name": "a text", "request": {"image": "some"}}],
    "matrix": [],
    "wide": [],
    "raw": [{"request": {"values": [1, 2, 3]}}],
    "free": [{"request": {"a": 1, "b": 2.5}}],
    "hostile": [{"name": HOSTILE, "request": {HOSTILE: ENDING, "__proto__": 1.0}}],
    "home": [
        {
            "name": "a flat in Lyon",
            "request": {
                "surface": 50.0,
                "rooms": 2,
                "kind": "flat",
                "address": {"city": "Lyon"},
                "tags": ["quiet", "sunny"],
            },
        },
        {
            "name": "a house",
            "request": {
                "surface": 120.5,
                "rooms": 5,
                "kind": "house",
                "address": {"city": "Lille", "zip": "59000"},
                "floor": 0,
            },
        },
    ],
}
NAMES = {"hostile": HOSTILE}
