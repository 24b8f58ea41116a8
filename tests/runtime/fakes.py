"""A tiny pipeline and a tiny protocol: the server's parts are tested without any framework or real wire format."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route
from modelbuild_runtime.request import Columns, Request, Response, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import Tensor

CONTRACT = Contract((TensorSpec("x", "FP32", (-1, 3)),), (TensorSpec("y", "FP32", (-1,)),))


class FakePipeline:
    """Answers the sum of each row. A row that holds 666 makes the run fail; ``seconds`` is how long a run takes."""

    def __init__(self, contract: Contract = CONTRACT, wants: str = "columns", seconds: float = 0.0) -> None:
        self.contract = contract
        self.wants = wants
        self.batchable = contract.batched
        self.seconds = seconds
        self.runs: list[int] = []

    def convert(self, items: list[Any]) -> list[Any]:
        return items

    def rows(self, columns: dict[str, np.ndarray]) -> list[Any]:
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def run(self, inputs: Any, parameters: Any = None) -> Any:
        if self.seconds:
            time.sleep(self.seconds)
        if self.wants != "columns":
            self.runs.append(len(inputs))
            return [{"got": item} for item in inputs]
        x = inputs["x"]
        self.runs.append(len(x))
        if (x == 666).any():
            raise ValueError("secret detail of the handler")
        return {"y": x.sum(axis=1)}


def decode(http: HttpRequest) -> Request:
    """JSON: a list is rows; {"x": [...], "shape": [...]} is a tensor."""
    body = msgspec.json.decode(http.body)
    if isinstance(body, list):
        return Request(Rows(body))
    shape = tuple(body.get("shape", (1, 3)))
    return Request(Columns({"x": Tensor(body.get("datatype", "FP32"), shape, body["x"])}))


def encode(http: HttpRequest, request: Request, response: Response) -> HttpResponse:
    body = response.rows if response.columns is None else {k: v.tolist() for k, v in response.columns.items()}
    return HttpResponse(200, msgspec.json.encode(body))


def fake_error(http: HttpRequest, error: Any) -> HttpResponse:
    return HttpResponse(error.status, msgspec.json.encode({"fake": error.message, "field": error.field}))


def fake_protocol(*routes: Route, name: str = "fake") -> Protocol:
    """POST /predict and GET /health/ready, and more if asked."""
    own = (
        Route("POST", "/predict", Prediction(decode, encode)),
        Route("GET", "/health/ready", lambda http: HttpResponse(200, b'{"status":"ok"}')),
    )
    return Protocol(name, name, (*own, *routes), fake_error)
