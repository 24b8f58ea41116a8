"""A handler that only defines what the model's pickle refers to: the model is served as if it had none."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline

X = np.array([[1.0], [2.0], [3.0]])
CODE = "def doubled(rows):\n    return rows * 2\n"


def doubled(rows: np.ndarray) -> np.ndarray:
    """What the training script had."""
    return rows * 2


@pytest.mark.parametrize("owner", ["__main__", "features_of_a_pickle"])
def test_the_model_is_served_with_its_own_contract(owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "doubled", None, raising=False)
    monkeypatch.delattr(sys.modules["__main__"], "doubled")  # so that what is lent is taken back
    model = make_pipeline(StandardScaler(), FunctionTransformer(doubled), LinearRegression()).fit(X, X[:, 0])
    written = pickle.dumps(model, protocol=2).replace(f"c{__name__}\n".encode(), f"c{owner}\n".encode())
    (tmp_path / "m.pkl").write_bytes(written)
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler" / "features_of_a_pickle.py").write_text(CODE)

    handler = Handler("features_of_a_pickle", style="definitions")
    pipe = load_pipeline(Manifest(Model("m", "1", "m.pkl"), Runtime("sklearn"), handler=handler), tmp_path)

    assert [(spec.name, spec.datatype) for spec in pipe.contract.inputs] == [("X", "FP64")]
    assert pipe.run({"X": X})["prediction"] == pytest.approx(model.predict(X))
