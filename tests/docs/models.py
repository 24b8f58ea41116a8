"""The two models that the documentation's examples ask. Their answers can be checked by head."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def write_models(folder: Path) -> None:
    """model.onnx and model.joblib, as docs/how-to/handlers.md describes them."""
    onnx.save(score_model(), str(folder / "model.onnx"))
    joblib.dump(rent_model(), folder / "model.joblib")


def score_model() -> onnx.ModelProto:
    """score = x[0] + 2 x[1] + 3 x[2]"""
    weights = numpy_helper.from_array(np.array([1, 2, 3], np.float32), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["score"])],
        "score",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def rent_model() -> object:
    """prediction = 20 surface + 100 (for a house)"""
    frame = pd.DataFrame({"surface": [10.0, 20.0, 30.0, 40.0], "kind": ["flat", "house", "flat", "house"]})
    rent = 20 * frame["surface"] + 100 * (frame["kind"] == "house")
    columns = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    return make_pipeline(columns, LinearRegression()).fit(frame, rent)
