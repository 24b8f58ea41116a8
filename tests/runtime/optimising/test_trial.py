"""Trials of real models: what is kept answers as the original does, odd values included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.optimising import trial
from modelbuild_runtime.optimising.candidate import Candidate
from modelbuild_runtime.pipeline import load_engine
from runtime.optimising.held import Held

X, Y = load_iris(return_X_y=True)
ROWS = X[::15].tolist()
FLOATS = ("ONNX, 32-bit floats", "ONNX, 64-bit floats, 32-bit trees", "ONNX, 64-bit floats")


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate is quicker: what other processes do at the time must not decide."""
    monkeypatch.setattr(trial, "microseconds", lambda engines, rows: (100.0, 10.0))


def sklearn(folder: Path, model: Any, rows: Any, **manifest: Any) -> Held:
    joblib.dump(model, folder / "m.joblib")
    return Held(folder, "sklearn", "m.joblib", rows, **manifest)


def test_a_forest_sends_missing_values_where_it_did(tmp_path):
    held = sklearn(tmp_path, RandomForestClassifier(30, random_state=0).fit(X, Y), ROWS)
    assert held.report["kept"] == FLOATS[0]
    assert held.report["tried"][0]["checked"]["rows"] > 250
    missing = np.array(ROWS)
    missing[np.arange(len(ROWS)), np.arange(len(ROWS)) % 4] = np.nan
    held.require_equal({"X": missing})
    with pytest.raises(InvalidInput, match="infinite"):
        held.kept.predict({"X": np.full((1, 4), np.inf)})
    with pytest.raises(InvalidInput, match="infinite"):  # too large for the trees' 32-bit floats
        held.kept.predict({"X": np.full((1, 4), 1e300)})


def test_a_value_on_a_threshold_goes_the_same_way(tmp_path):
    """Scaled in 32 bits it would not: that form is made, compared, and not kept."""
    model = make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=40, random_state=0)).fit(X, Y)
    held = sklearn(tmp_path, model, ROWS)
    assert "it answers otherwise" in held.reasons[0]
    assert (held.report["kept"], held.reasons[1]) == (FLOATS[1], "")
    middles = (X[:-1] + X[1:]) / 2
    held.require_equal({"X": middles})


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    columns = {"age": random.normal(40, 9, 200).round(1), "city": random.choice(["Rome", "Oslo"], 200)}
    return pd.DataFrame({**columns, "pay": random.normal(size=200)})


def of_columns(frame: pd.DataFrame) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("n", numbers, ["age", "pay"]), ("c", OneHotEncoder(), ["city"])])
    labels = np.where(frame.age + 20 * (frame.city == "Rome") > 50, "yes", "no")
    return make_pipeline(columns, RandomForestClassifier(20, random_state=0)).fit(frame, labels)


def test_columns_keep_their_names_and_what_they_refuse(tmp_path, frame):
    held = sklearn(tmp_path, of_columns(frame), frame.head(20).to_dict("records"))
    assert held.report["kept"] in FLOATS
    rows = {name: frame[name].to_numpy()[:50] for name in frame}
    held.require_equal(rows)
    held.require_equal({**rows, "age": np.full(50, np.nan)})
    del rows["pay"]  # an imputer knows what to do
    held.require_equal(rows)
    held.require_equal({**rows, "city": np.array([b"Rome", "Oslo"] * 25, object)})
    with pytest.raises(InvalidInput, match="'Bonn' is not a value") as caught:
        held.kept.predict({**rows, "city": np.array(["Bonn"] * 50, object)})
    assert caught.value.field == "city"
    assert held.kept.predict(frame.head(3))["label"].tolist() == held.original.predict(frame.head(3))["label"].tolist()


def test_a_handler_goes_around_it(tmp_path, frame):
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler/features.py").write_text(
        "import pandas as pd\ndef preprocess(rows: pd.DataFrame):\n    return rows.assign(age=rows.birth * -1 + 100)[['age', 'city', 'pay']]\n"
    )
    rows = [{"birth": 60.5, "city": "Rome", "pay": 0.25}, {"birth": 70.0, "city": "Oslo", "pay": -1.0}]
    held = sklearn(tmp_path, of_columns(frame), rows, handler=Handler("features"))
    assert held.report["kept"] in FLOATS
    held.require_equal({"age": np.array([39.5]), "city": np.array(["Rome"], object), "pay": np.array([0.25])})


def test_a_handler_with_a_model_of_its_own_has_none_to_optimise(tmp_path, frame):
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler/own.py").write_text(
        "def load(context):\n    return 1\ndef predict(model, inputs):\n    return {'y': [model] * len(inputs['x'])}\n"
    )
    with pytest.raises(LoadError, match="a model of its own"):
        sklearn(tmp_path, of_columns(frame), [{"x": 1.0}], handler=Handler("own"))


def test_an_example_that_is_refused(tmp_path):
    with pytest.raises(LoadError, match="refused with 400"):
        sklearn(tmp_path, RandomForestClassifier(3).fit(X, Y), [[1.0, 2.0]])


def test_xgboost_uses_the_rounds_that_were_chosen(tmp_path):
    import xgboost

    names = ["a", "b", "c", "d"]
    data = xgboost.DMatrix(pd.DataFrame(X, columns=names), Y)
    xgboost.train({"objective": "multi:softprob", "num_class": 3}, data, 20).save_model(tmp_path / "m.ubj")
    rows = [dict(zip(names, row, strict=True)) for row in ROWS]
    held = Held(tmp_path, "xgboost", "m.ubj", rows, options={"rounds": 5})
    assert held.report["kept"] == "ONNX"
    columns = {name: X[:, place].astype(np.float32) for place, name in enumerate(names)}
    columns["b"][::3] = np.nan
    expected, found = (engine.predict(columns)["probabilities"] for engine in (_of_rounds(tmp_path, 5), held.kept))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _of_rounds(folder: Path, rounds: int) -> Any:
    return load_engine(Manifest(Model("m", "1", "m.ubj"), Runtime("xgboost", options={"rounds": rounds})), folder, 1)


def test_lightgbm(tmp_path):
    import lightgbm

    data = lightgbm.Dataset(X, (Y > 1).astype(int))
    lightgbm.train({"objective": "binary", "verbose": -1}, data, 20).save_model(tmp_path / "m.txt")
    held = Held(tmp_path, "lightgbm", "m.txt", ROWS)
    assert held.report["kept"] == "ONNX, 32-bit floats"
    held.require_equal({"X": np.where(X > 3, X, np.nan)})


@pytest.mark.parametrize("classes", [2, 3])
def test_catboost(tmp_path, classes):
    import catboost

    model = catboost.CatBoostClassifier(iterations=15, verbose=0, allow_writing_files=False)
    model.fit(X, np.array(["red", "green", "blue"])[np.minimum(Y, classes - 1)]).save_model(str(tmp_path / "m.cbm"))
    held = Held(tmp_path, "catboost", "m.cbm", ROWS)
    assert held.report["kept"] == "ONNX"
    held.require_equal({"X": np.where(X > 1, X, np.nan).astype(np.float32)})


def test_categories_of_boosted_trees_stay_with_their_framework(tmp_path):
    import lightgbm

    frame = pd.DataFrame({"x": X[:, 0], "city": pd.Categorical(np.where(Y, "Rome", "Oslo"))})
    lightgbm.train({"verbose": -1}, lightgbm.Dataset(frame, Y), 5).save_model(tmp_path / "m.txt")
    options = {"categories": {"city": ["Oslo", "Rome"]}}
    held = Held(tmp_path, "lightgbm", "m.txt", [{"x": 1.0, "city": "Rome"}], options=options)
    assert held.report["kept"] == ""
    assert held.reasons == ["it cannot be made: CannotConvert: the input 'city' takes categories or texts"]


def test_what_answers_otherwise_or_is_not_quicker_is_not_kept(tmp_path, monkeypatch):
    from modelbuild_runtime.engines.sklearn import optimise

    mine = RandomForestClassifier(10, random_state=0).fit(X, Y)
    (tmp_path / "other").mkdir()
    joblib.dump(RandomForestClassifier(10, random_state=1).fit(X, Y), tmp_path / "other/m.joblib")
    other = load_engine(Manifest(Model("m", "1", "m.joblib"), Runtime("sklearn")), tmp_path / "other", 1)
    offered = [
        Candidate("another", lambda path: optimise.make(other, "FP32", False, path)),
        Candidate("broken", lambda path: path.write_bytes(b"x") and {}),
        Candidate(
            "slow",
            lambda path: optimise.make(
                load_engine(Manifest(Model("m", "1", "m.joblib"), Runtime("sklearn")), tmp_path, 1), "FP32", False, path
            ),
        ),
    ]
    monkeypatch.setattr(optimise, "candidates", lambda *_: iter(offered))
    # For one row only it is quicker, and loads take as long as they take.
    monkeypatch.setattr(trial, "microseconds", lambda _, rows: (90.0, 9.0 if len(rows["X"]) == 1 else 180.0))
    held = sklearn(tmp_path, mine, ROWS)
    assert held.report["kept"] == ""
    assert held.reasons[0].startswith("it answers otherwise: ")
    assert held.reasons[1].startswith("it cannot be made: onnxruntime")
    assert held.reasons[2] == "it is not quicker: 9 instead of 90 µs for 1 row, 180 instead of 90 µs for 32 rows"
    assert not list((tmp_path / "out").glob("model*"))


def test_a_graph_is_made_over(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("MatMul", ["x", "c"], ["y"])]
    weights = [numpy_helper.from_array(np.eye(3, dtype=np.float32), name) for name in "ab"]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    held = Held(tmp_path, "onnx", "m.onnx", [{"x": [1.0, 2.0, 3.0]}])
    assert held.report["kept"] == "the optimised graph"
    assert [node.op_type for node in onnx.load(tmp_path / "out/model.onnx").graph.node] == ["MatMul"]
    held.require_equal({"x": np.ones((2, 3), np.float32)})
