"""Tiny models whose answers can be checked by head, for the goldens of the protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.parts import whole
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.handler.mms_context import Context
from modelbuild_runtime.handler.torchserve import TorchServePipeline
from modelbuild_runtime.request import Parts, RawAnswer
from modelbuild_runtime.signature import TensorSpec


class ColumnsPipeline:
    """Runs a function of arrays by name."""

    wants = "columns"

    def __init__(self, contract: Contract, function: Any) -> None:
        self.contract = contract
        self.batchable = contract.batched
        self._function = function

    def convert(self, items: list[Any]) -> list[Any]:
        return items

    def rows(self, columns: Mapping[str, np.ndarray]) -> list[Any]:
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def run(self, inputs: Any, parameters: Mapping[str, Any] | None = None) -> Any:
        return self._function(inputs)


class RawPipeline(ColumnsPipeline):
    """Answers what it is sent, as a handler does that decodes by itself."""

    wants = "raw"

    def run(self, inputs: Any, parameters: Mapping[str, Any] | None = None) -> Any:
        return [RawAnswer(_describe(item.fields), "text/plain", headers=(("X-Handler", "yes"),)) for item in inputs]


class StoryPipeline(ColumnsPipeline):
    """Answers in parts."""

    wants = "rows"
    streams = True
    batchable = False

    def convert(self, items: list[Any]) -> list[Any]:
        for item in items:
            if not isinstance(item, dict) or not isinstance(item.get("prompt"), str):
                raise InvalidInput("prompt: expected a string", field="prompt")
        return items

    def run(self, inputs: Any, parameters: Mapping[str, Any] | None = None) -> Any:
        return [whole(_words(row["prompt"], parameters)) for row in inputs]

    def stream(self, inputs: Any, parameters: Mapping[str, Any] | None = None) -> Parts:
        (row,) = inputs
        return Parts(_words(row["prompt"], parameters))


def iris() -> ColumnsPipeline:
    """Classifies by the largest of the first three of four numbers."""
    labels = ("setosa", "versicolor", "virginica")

    def predict(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = inputs["x"]
        best = x[:, :3].argmax(axis=1)
        probabilities = np.full((len(x), 3), 0.125, np.float32)
        probabilities[np.arange(len(x)), best] = 0.75
        probabilities[np.isnan(x).any(axis=1)] = (np.nan, np.inf, -np.inf)
        return {"label": np.array(labels, object)[best], "probabilities": probabilities}

    outputs = (
        TensorSpec("label", "BYTES", (-1,), labels=labels),
        TensorSpec("probabilities", "FP32", (-1, 3), labels=labels),
    )
    return ColumnsPipeline(Contract((TensorSpec("x", "FP32", (-1, 4)),), outputs), predict)


def loan() -> ColumnsPipeline:
    """Records of mixed columns, one of them optional; the score is the income a year of age, nothing for the jobless."""

    def predict(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        jobs = inputs["job"].ravel().tolist()
        factor = np.array([0.0 if job in ("none", b"none") else 1.0 for job in jobs])
        return {"score": inputs["income"].ravel() / inputs["age"].ravel() * factor}

    fields = (
        TensorSpec("age", "INT64", (-1,)),
        TensorSpec("income", "FP64", (-1,)),
        TensorSpec("job", "BYTES", (-1,)),
        TensorSpec("married", "BOOL", (-1,), optional=True),
    )
    return ColumnsPipeline(Contract(fields, (TensorSpec("score", "FP64", (-1,)),)), predict)


def picture() -> ColumnsPipeline:
    """One piece of bytes a row; says how long it is and gives it back."""

    def predict(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        data = inputs["image"].ravel()
        return {"length": np.array([len(item) for item in data]), "image": data}

    outputs = (TensorSpec("length", "INT64", (-1,)), TensorSpec("image", "BYTES", (-1,)))
    return ColumnsPipeline(Contract((TensorSpec("image", "BYTES", (-1,)),), outputs), predict)


def matrix() -> ColumnsPipeline:
    """A model without rows: one tensor of fixed shape in, its transpose out."""
    contract = Contract((TensorSpec("m", "INT32", (2, 3)),), (TensorSpec("t", "INT32", (3, 2)),), batched=False)
    return ColumnsPipeline(contract, lambda inputs: {"t": inputs["m"].T})


def items() -> ColumnsPipeline:
    """A handler whose postprocess makes items that are no tensors."""

    def predict(inputs: Mapping[str, np.ndarray]) -> list[Any]:
        return [{"text": str(value), "tags": ["a", "b"], "n": np.float32(value > 0)} for value in inputs["x"].ravel()]

    return ColumnsPipeline(Contract((TensorSpec("x", "FP64", (-1,)),)), predict)


def whatever() -> ColumnsPipeline:
    """Takes any inputs, and gives them back."""
    return ColumnsPipeline(Contract(open=True), dict)


def raw() -> ColumnsPipeline:
    """A handler that decodes and encodes by itself."""
    return RawPipeline(Contract(open=True), None)


def story() -> ColumnsPipeline:
    """A handler whose predict yields: says each word of its prompt, and fails at the word "stop"."""
    return StoryPipeline(
        Contract((TensorSpec("prompt", "BYTES", (-1,)),), (TensorSpec("output", "BYTES", (-1,)),)), None
    )


def mar() -> TorchServePipeline:
    """A handler of TorchServe that tells what it was given; a body {"raise": ...} makes it fail."""

    def handle(data: list[dict[str, Any]], context: Context) -> list[Any]:
        return [_told(row, context) for row in data]

    return TorchServePipeline(handle, Context("mar", "/model", {}), streams=True)


MODELS = {"iris": iris, "loan": loan, "picture": picture, "matrix": matrix, "items": items, "raw": raw, "mar": mar}
MODELS |= {"story": story, "whatever": whatever}


def _told(row: dict[str, Any], context: Context) -> Any:
    body = row.get("body")
    if isinstance(body, dict) and "raise" in body:
        raise {"ValueError": ValueError, "MemoryError": MemoryError}[body["raise"]]("a secret of the handler")
    if isinstance(body, dict) and "parts" in body:
        for part in body["parts"]:
            context.give({0: part})
        return "."
    told = {name: context.get_request_header(0, name) for name in ("explain", "url_path")}
    return {"given": {name: repr(value) for name, value in row.items()}, **told}


def _words(prompt: Any, parameters: Mapping[str, Any] | None) -> Iterator[str]:
    text = prompt.decode("utf-8", "replace") if isinstance(prompt, bytes) else str(prompt)
    most = (parameters or {}).get("most")
    for word in text.split()[: most if isinstance(most, int) else 10]:
        if word == "stop":
            raise ValueError("a secret of the handler")
        yield word + " "


def _describe(fields: Mapping[str, Any]) -> bytes:
    return b"&".join(
        name.encode() + b"=" + (value if isinstance(value, bytes) else b"text:" + value.encode())
        for name, value in fields.items()
    )
