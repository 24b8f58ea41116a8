"""The engine against XGBoost's own Python package, and against the builder's reading of the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import xgboost

from modelbuild.artifact import read_artifact
from modelbuild.runtime import builtin_runtimes, read
from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.xgboost.engine import XgboostEngine, load
from modelbuild_runtime.errors import InvalidInput, LoadError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5)).astype(np.float32)
X[::7, 2] = np.nan
REAL = X[:, 0] * 3 + X[:, 1]
CLASS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, 120),
        "income": X[:, 2],
        "child": RNG.random(120) > 0.5,
        "city": pd.Categorical(RNG.choice(["Paris", "Lyon", "Nice"], 120)),
        "zone": pd.Categorical(RNG.choice([10, 20, 30], 120)),
    }
)
RUNTIME = next(runtime for runtime in builtin_runtimes() if runtime.name == "xgboost")


def train(objective: str, label: Any, data: Any = X, **parameters: Any) -> xgboost.Booster:
    matrix = xgboost.DMatrix(data, label, enable_categorical=True)
    if objective.startswith("rank:"):
        matrix.set_group([40, 80])
    return xgboost.train({"objective": objective, "max_depth": 3, **parameters}, matrix, 4)


def served(model: Any, path: Path) -> XgboostEngine:
    """Saved, read as the builder does, and loaded with what it found; both say the same of it."""
    model.save_model(path)
    reading = read(RUNTIME, read_artifact(path, cache=path.parent / "cache"))
    engine = load(path, EngineOptions(options=dict(reading.options)))
    assert json.loads(msgspec.json.encode(engine.signature())) == reading.signature.to_json()
    return engine


def alone(answer: dict[str, np.ndarray]) -> np.ndarray:
    (array,) = answer.values()
    return array


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize(
    ("objective", "label", "parameters"),
    [
        ("reg:squarederror", REAL, {}),
        ("reg:squarederror", REAL, {"booster": "dart"}),
        ("reg:squarederror", REAL, {"booster": "gblinear"}),
        ("reg:squarederror", np.stack([REAL, -REAL], axis=1), {}),
        ("reg:squarederror", np.stack([REAL, -REAL], axis=1), {"multi_strategy": "multi_output_tree"}),
        ("reg:quantileerror", REAL, {"quantile_alpha": [0.1, 0.5, 0.9]}),
        ("reg:tweedie", np.abs(REAL), {}),
        ("count:poisson", CLASS, {}),
        ("survival:cox", np.abs(REAL), {}),
        ("binary:logitraw", CLASS > 0, {}),
        ("binary:hinge", CLASS > 0, {}),
        ("multi:softmax", CLASS, {"num_class": 3}),
        ("rank:ndcg", CLASS > 0, {}),
    ],
)
def test_it_answers_what_xgboost_answers(objective, label, parameters, ending, tmp_path):
    model = train(objective, label, **parameters)
    engine = served(model, tmp_path / f"m.{ending}")
    in_place = parameters.get("booster") != "gblinear"  # which cannot
    expected = model.inplace_predict(X) if in_place else model.predict(xgboost.DMatrix(X))
    np.testing.assert_array_equal(alone(engine.predict({"X": X})), expected)
    np.testing.assert_array_equal(alone(engine.predict({"X": X[:1]})), expected[:1])


def test_two_classes(tmp_path):
    model = xgboost.XGBClassifier(n_estimators=5).fit(X, CLASS > 0)
    engine = served(model, tmp_path / "m.json")
    answer = engine.predict({"X": X})
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(X))
    np.testing.assert_array_equal(answer["label"], model.predict(X))
    assert engine.signature().outputs[1].labels == ("0", "1")


def test_more_classes_and_the_best_round(tmp_path):
    model = xgboost.XGBClassifier(n_estimators=60, learning_rate=1.0, early_stopping_rounds=3)
    model.fit(X[:80], CLASS[:80], eval_set=[(X[80:], CLASS[80:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    answer = served(model, tmp_path / "m.ubj").predict({"X": X})
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(X))
    np.testing.assert_array_equal(answer["label"], model.predict(X))
    booster = model.get_booster()
    plain = served(booster, tmp_path / "plain.ubj").predict({"X": X})
    np.testing.assert_array_equal(plain["probabilities"], booster.predict(xgboost.DMatrix(X)))


def test_several_labels_at_once(tmp_path):
    labels = np.stack([CLASS > 0, CLASS > 1], axis=1)
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, labels)
    answer = served(model, tmp_path / "m.json").predict({"X": X})
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(X))
    np.testing.assert_array_equal(answer["label"], model.predict(X))


def columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """As the dataplane makes them."""
    kinds = {"age": np.float32, "income": np.float32, "child": bool, "city": object, "zone": np.int64}
    return {name: frame[name].to_numpy(kinds[name]) for name in frame}


def test_columns_and_categories(tmp_path):
    model = train("reg:squarederror", REAL, FRAME)
    engine = served(model, tmp_path / "m.ubj")
    expected = model.inplace_predict(FRAME)
    np.testing.assert_array_equal(engine.predict(columns(FRAME))["prediction"], expected)
    np.testing.assert_array_equal(engine.predict(FRAME[FRAME.columns[::-1]])["prediction"], expected)
    as_bytes = {**columns(FRAME), "city": np.array([city.encode() for city in FRAME["city"]], object)}
    np.testing.assert_array_equal(engine.predict(as_bytes)["prediction"], expected)


def test_what_is_missing_is_missing(tmp_path):
    model = train("reg:squarederror", REAL, FRAME)
    engine = served(model, tmp_path / "m.ubj")
    few = FRAME.iloc[:8].copy()
    few["city"] = few["city"].cat.set_categories(FRAME["city"].cat.categories).where([True, False] * 4)
    given = {**columns(few), "city": np.array(["Paris", None] * 4, object)}
    few["city"] = pd.Categorical(given["city"], FRAME["city"].cat.categories)
    np.testing.assert_array_equal(engine.predict(given)["prediction"], model.inplace_predict(few))
    without = {name: array for name, array in given.items() if name != "zone"}
    few["zone"] = pd.Categorical([None] * 8, FRAME["zone"].cat.categories)
    np.testing.assert_array_equal(engine.predict(without)["prediction"], model.inplace_predict(few))
    with pytest.raises(InvalidInput, match="no input was sent"):
        engine.predict({})


def test_a_category_that_is_not_known_is_refused(tmp_path):
    engine = served(train("reg:squarederror", REAL, FRAME), tmp_path / "m.ubj")
    given = {**columns(FRAME.iloc[:1]), "city": np.array(["Rome"], object)}
    with pytest.raises(InvalidInput, match="'Rome' is not a value that the model knows") as caught:
        engine.predict(given)
    assert caught.value.field == "city"


def test_a_wrong_number_of_columns_is_the_clients_to_hear(tmp_path):
    engine = served(train("reg:squarederror", REAL), tmp_path / "m.ubj")
    with pytest.raises(InvalidInput, match=r"refuses this input: Check failed.* \(4 vs\. 5\)"):
        engine.predict({"X": X[:, :4]})


def test_a_handler_gets_a_booster(tmp_path):
    model = train("reg:squarederror", REAL)
    engine = served(model, tmp_path / "m.ubj")
    np.testing.assert_array_equal(engine.model.inplace_predict(X), model.inplace_predict(X))


def test_an_older_xgboost_refuses_a_newer_file(tmp_path):
    path = tmp_path / "m.json"
    train("reg:squarederror", REAL).save_model(path)
    with pytest.raises(LoadError, match=r"written by XGBoost 99\.1\.0, and this is .* would answer wrong"):
        load(path, EngineOptions(options={"written_by": "99.1.0"}))


def test_space_and_a_mark_before_the_first_brace(tmp_path):
    path = tmp_path / "m.json"
    model = train("reg:squarederror", REAL)
    model.save_model(path)
    path.write_bytes(b"\xef\xbb\xbf\n " + path.read_bytes())
    engine = load(path, EngineOptions())
    np.testing.assert_array_equal(engine.predict({"X": X})["prediction"], model.inplace_predict(X))


@pytest.mark.parametrize("content", [b"{", b'{"learner": {}}', b"binf" + bytes(200), b"{L\0\0\0\0\0\0\0\x07learner{"])
def test_what_cannot_be_loaded(content, tmp_path):
    (tmp_path / "m.bst").write_bytes(content)
    with pytest.raises(LoadError, match=r"m\.bst cannot be loaded: ") as caught:
        load(tmp_path / "m.bst", EngineOptions())
    assert "Stack trace" not in caught.value.message
