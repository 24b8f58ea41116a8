"""A model in MLflow's own way, from code, with a parameter: no framework, no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

CODE = """\
import mlflow
import numpy as np
from mlflow.models import set_model


class Rent(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        house = (model_input["kind"] == "house").to_numpy()
        return np.where(house, 100.0, 0.0) + params["per_metre"] * model_input["surface"].to_numpy()


set_model(Rent())
"""
REQUEST = [{"surface": 50.0, "kind": "flat"}, {"surface": 90.5, "kind": "house"}, {"surface": 0.0, "kind": "tent"}]
EXPECTED = [{"prediction": 1000.0}, {"prediction": 1910.0}, {"prediction": 0.0}]


def make(folder: Path) -> Sample:
    """Write the folder ``model``."""
    import mlflow.pyfunc
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    code = folder / "rent.py"
    code.write_text(CODE, encoding="utf-8")
    inputs = Schema([ColSpec(DataType.double, "surface"), ColSpec(DataType.string, "kind")])
    outputs = Schema([TensorSpec(np.dtype(np.float64), (-1,))])
    params = ParamSchema([ParamSpec("per_metre", "double", 20.0)])
    path = folder / "model"
    signature = ModelSignature(inputs, outputs, params)
    mlflow.pyfunc.save_model(str(path), python_model=str(code), signature=signature, pip_requirements=["mlflow"])
    return Sample(path, REQUEST, EXPECTED)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What MLflow itself answers."""
    import mlflow.pyfunc
    import pandas as pd

    frame = pd.DataFrame(list(rows)).astype({"surface": float})
    return [{"prediction": price} for price in mlflow.pyfunc.load_model(str(path)).predict(frame).tolist()]
