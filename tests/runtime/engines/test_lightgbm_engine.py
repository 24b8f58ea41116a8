"""The engine against LightGBM's own Python package, and against the builder's reading of the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pandas as pd
import pytest

from modelbuild.artifact import read_artifact
from modelbuild.runtime import builtin_runtimes, read
from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.lightgbm.engine import LightgbmEngine, load
from modelbuild_runtime.errors import InvalidInput, LoadError

MODELS = Path(__file__).resolve().parents[4] / "shared" / "models" / "lightgbm"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
X[::7, 2] = np.nan
REAL = X[:, 0] * 3 + X[:, 1]
CLASS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, 120),
        "net income": X[:, 2],
        "city": pd.Categorical(RNG.choice(["Paris", "Lyon", "Éze"], 120)),
        "zone": pd.Categorical(RNG.choice([10, 20, 30], 120)),
    }
)
QUIET = {"verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1}
RUNTIME = next(runtime for runtime in builtin_runtimes() if runtime.name == "lightgbm")


def train(objective: Any, label: Any, data: Any = X, **parameters: Any) -> lightgbm.Booster:
    groups = [40, 80] if objective in ("lambdarank", "rank_xendcg") else None
    dataset = lightgbm.Dataset(data, np.asarray(label, float), group=groups)
    return lightgbm.train({**QUIET, "objective": objective, **parameters}, dataset, 5)


def served(model: lightgbm.Booster, path: Path) -> LightgbmEngine:
    """Saved, read as the builder does, and loaded with what it found; both say the same of it."""
    model.save_model(path)
    reading = read(RUNTIME, read_artifact(path, cache=path.parent / "cache"))
    engine = load(path, EngineOptions(options=dict(reading.options)))
    assert json.loads(msgspec.json.encode(engine.signature())) == reading.signature.to_json()
    return engine


def squares(prediction: np.ndarray, data: lightgbm.Dataset) -> Any:
    return prediction - data.get_label(), np.ones_like(prediction)


@pytest.mark.parametrize(
    ("objective", "label", "parameters", "output"),
    [
        ("regression", REAL, {}, "prediction"),
        ("regression", REAL, {"boosting": "dart"}, "prediction"),
        ("regression", REAL, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "prediction"),
        ("quantile", REAL, {"alpha": 0.9}, "prediction"),
        ("tweedie", np.abs(REAL), {}, "prediction"),
        ("cross_entropy", CLASS / 2, {}, "prediction"),
        (squares, REAL, {}, "prediction"),
        ("lambdarank", CLASS, {}, "score"),
        ("multiclass", CLASS, {"num_class": 3}, "probabilities"),
        ("multiclassova", CLASS, {"num_class": 3}, "probabilities"),
    ],
)
def test_it_answers_what_lightgbm_answers(objective, label, parameters, output, tmp_path):
    model = train(objective, label, **parameters)
    engine = served(model, tmp_path / "m.txt")
    expected = model.predict(X)
    np.testing.assert_array_equal(engine.predict({"X": X})[output], expected)
    np.testing.assert_array_equal(engine.predict({"X": X[:1]})[output], expected[:1])


@pytest.mark.parametrize("label", [CLASS > 0, CLASS])
def test_classes(label, tmp_path):
    model = lightgbm.LGBMClassifier(n_estimators=5, verbosity=-1, n_jobs=1).fit(X, label)
    answer = served(model.booster_, tmp_path / "m.txt").predict({"X": X})
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(X))
    np.testing.assert_array_equal(answer["label"], model.predict(X))


def columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """As the dataplane makes them."""
    kinds = {"age": float, "net income": float, "city": object, "zone": np.int64}
    return {name.replace(" ", "_"): frame[name].to_numpy(kinds[name]) for name in frame}


def test_columns_and_categories(tmp_path):
    model = train("regression", REAL, FRAME)
    engine = served(model, tmp_path / "m.txt")
    expected = model.predict(FRAME)
    np.testing.assert_array_equal(engine.predict(columns(FRAME))["prediction"], expected)
    np.testing.assert_array_equal(
        engine.predict(FRAME.rename(columns={"net income": "net_income"}))["prediction"], expected
    )
    as_bytes = {**columns(FRAME), "city": np.array([city.encode() for city in FRAME["city"]], object)}
    np.testing.assert_array_equal(engine.predict(as_bytes)["prediction"], expected)


def test_what_is_missing_and_what_is_not_known_is_what_it_is_to_lightgbm(tmp_path):
    model = train("regression", REAL, FRAME)
    engine = served(model, tmp_path / "m.txt")
    few = FRAME.iloc[:9].copy()
    given = {**columns(few), "city": np.array(["Paris", None, "Rome"] * 3, object)}
    few["city"] = pd.Categorical(given["city"])
    np.testing.assert_array_equal(engine.predict(given)["prediction"], model.predict(few))
    without = {name: array for name, array in given.items() if name != "zone"}
    few["zone"] = pd.Categorical([None] * 9)
    np.testing.assert_array_equal(engine.predict(without)["prediction"], model.predict(few))
    with pytest.raises(InvalidInput, match="no input was sent"):
        engine.predict({})


@pytest.mark.parametrize("rows", [X[:1, :4], X[:, :4]])
def test_a_wrong_number_of_columns_is_the_clients_to_hear(rows, tmp_path):
    engine = served(train("regression", REAL), tmp_path / "m.txt")
    with pytest.raises(InvalidInput, match=r"refuses this input: The number of features in data \(4\)"):
        engine.predict({"X": np.ascontiguousarray(rows)})


def test_a_handler_gets_a_booster(tmp_path):
    model = train("regression", REAL)
    engine = served(model, tmp_path / "m.txt")
    np.testing.assert_array_equal(engine.model.predict(X), model.predict(X))


@pytest.mark.parametrize("kept", [0.2, 0.6])
def test_what_is_cut_off(kept, tmp_path):
    path = tmp_path / "m.txt"
    train("regression", REAL).save_model(path)
    text = path.read_bytes()
    path.write_bytes(text[: int(len(text.partition(b"end of trees")[0]) * kept)])
    with pytest.raises(LoadError, match=r"m\.txt cannot be loaded: it is cut off"):
        load(path, EngineOptions())


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("version", [b"version=v2\n", b""])
def test_old_formats_and_foreign_line_ends(line_end, version, tmp_path):
    case = MODELS / "treelite_toy_categorical"
    text = (case / "model.txt").read_bytes().replace(b"version=v2\n", version).replace(b"\n", line_end)
    (tmp_path / "m.txt").write_bytes(text)
    lines = (case / "input.libsvm").read_text().split("\n")
    rows = np.array([[float(pair.split(":")[1]) for pair in line.split()[1:]] for line in lines if line])
    answer = load(tmp_path / "m.txt", EngineOptions()).predict({"X": rows})
    np.testing.assert_allclose(answer["prediction"], np.loadtxt(case / "expected.pred"), rtol=0, atol=1e-6)
