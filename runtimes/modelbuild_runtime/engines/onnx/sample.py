"""A linear classifier of four numbers and a word, written with onnx and computed by its reference implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WEIGHTS = np.array([[0.5, -0.25, 0.0], [-1.0, 0.5, 0.25], [0.25, 0.25, -0.5], [0.0, -0.5, 1.0]], np.float32)
REQUEST = [
    {"features": [5.0, 3.5, 1.5, 0.25], "channel": ["web"]},
    {"features": [6.0, 2.5, 4.5, 1.5], "channel": ["shop"]},
]


def make(folder: Path) -> Sample:
    """Write ``model.onnx``."""
    import onnx
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    tensor = helper.make_tensor_value_info
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
        helper.make_node("Identity", ["channel"], ["source"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sample",
        [tensor("features", TensorProto.FLOAT, ["n", 4]), tensor("channel", TensorProto.STRING, ["n", 1])],
        [
            tensor("label", TensorProto.INT64, ["n"]),
            tensor("probabilities", TensorProto.FLOAT, ["n", 3]),
            tensor("source", TensorProto.STRING, ["n", 1]),
        ],
        [onnx.numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "model.onnx"
    onnx.save(model, path)
    inputs = {
        "features": np.array([row["features"] for row in REQUEST], np.float32),
        "channel": np.array([row["channel"] for row in REQUEST], object),
    }
    label, probabilities, source = ReferenceEvaluator(model).run(None, inputs)
    expected = [
        {"label": int(label[i]), "probabilities": probabilities[i].tolist(), "source": source[i].tolist()}
        for i in range(len(REQUEST))
    ]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What onnxruntime itself answers."""
    import onnxruntime

    inputs = {
        "features": np.array([row["features"] for row in rows], np.float64).astype(np.float32),
        "channel": np.array([row["channel"] for row in rows], object),
    }
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    lists = [array.tolist() for array in session.run(["label", "probabilities", "source"], inputs)]
    return [dict(zip(("label", "probabilities", "source"), row)) for row in zip(*lists)]
