"""Small projects to package: a model of one line, its feature module, a request with its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FEATURES = '''\
"""An order becomes two numbers."""

from dataclasses import dataclass


@dataclass
class Order:
    price: float
    count: int


def preprocess(order: Order) -> dict:
    return {"x": [order.price, float(order.count)]}


def postprocess(outputs: dict) -> dict:
    return {"total": float(outputs["y"][0])}
'''
REQUEST = {"price": 2.5, "count": 4}
ANSWER = {"total": 18.0}


@dataclass(frozen=True)
class Project:
    """``model.onnx``, ``features.py``, and ``request.json`` beside them."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def handler(self) -> Path:
        return self.folder / "features.py"

    @property
    def example(self) -> Path:
        return self.folder / "request.json"


def make_project(folder: Path, weights: Sequence[float] = (2.0, 3.0)) -> Project:
    """The model answers 2 x0 + 3 x1 + 1."""
    folder.mkdir(parents=True, exist_ok=True)
    project = Project(folder)
    project.model.write_bytes(linear_onnx(weights))
    project.handler.write_text(FEATURES)
    project.example.write_text(json.dumps({"request": REQUEST, "expected": ANSWER}))
    return project


def linear_onnx(weights: Sequence[float]) -> bytes:
    """One output ``y`` for two inputs ``x``: their weighted sum, and one."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weights"], ["sum"]),
            helper.make_node("Add", ["sum", "one"], ["y"]),
        ],
        "line",
        [tensor("x", TensorProto.FLOAT, ["n", 2])],
        [tensor("y", TensorProto.FLOAT, ["n", 1])],
        [
            numpy_helper.from_array(np.array([[value] for value in weights], np.float32), "weights"),
            numpy_helper.from_array(np.array([1.0], np.float32), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()
