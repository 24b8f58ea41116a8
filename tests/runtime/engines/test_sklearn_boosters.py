"""Pickled estimators of XGBoost, LightGBM and CatBoost: their own answers, columns and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.sklearn.engine import SklearnEngine, load
from modelbuild_runtime.errors import InvalidInput

RNG = np.random.default_rng(7)
X = RNG.normal(size=(90, 3))
CITIES = RNG.choice(["Lyon", "Nice", "Paris"], 90)
ZONES = RNG.choice([10, 20], 90)
NUMBERS = pd.DataFrame(X, columns=["u", "v", "w"])
HOUSES = NUMBERS.assign(city=pd.Categorical(CITIES), zone=pd.Categorical(ZONES))
CODES = np.where(CITIES == "Nice", 2, (X[:, 0] > 0).astype(int))
NAMES = np.array(["no", "perhaps", "yes"], object)[CODES]
QUIET = {"iterations": 3, "verbose": False, "allow_writing_files": False}
LIGHT = {"n_estimators": 3, "min_child_samples": 2, "verbose": -1}


def loaded(model: Any, folder: Path) -> SklearnEngine:
    joblib.dump(model, folder / "model.pkl")
    return load(folder / "model.pkl", EngineOptions())


def columns(frame: pd.DataFrame, rows: slice) -> dict[str, np.ndarray]:
    """As a protocol gives them: numbers, and texts as objects."""
    cut = frame.iloc[rows]
    return {name: np.array(cut[name].tolist(), object if name == "city" else None) for name in cut}


ARRAYS = {
    "xgboost": (lambda: XGBClassifier(n_estimators=3).fit(X, CODES), "label"),
    "lightgbm": (lambda: LGBMClassifier(**LIGHT).fit(X, NAMES), "label"),
    "catboost": (lambda: CatBoostClassifier(**QUIET).fit(X, NAMES), "label"),
    "regressor": (lambda: CatBoostRegressor(**QUIET).fit(X, X[:, 1]), "prediction"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_numbers_is_one_input(name, tmp_path):
    make, output = ARRAYS[name]
    model = make()
    engine = loaded(model, tmp_path)
    (spec,) = engine.signature().inputs
    assert (spec.name, spec.datatype, spec.shape) == ("X", "FP64", (-1, 3))
    answers = engine.predict({"X": X[:20]})
    assert answers[output].tolist() == np.ravel(model.predict(X[:20])).tolist()
    if output == "label":
        assert engine.signature().outputs[0].labels == tuple(map(str, model.classes_))


FRAMES = {
    "xgboost": lambda: XGBRegressor(n_estimators=3).fit(NUMBERS, X[:, 1]),
    "lightgbm": lambda: LGBMRegressor(**LIGHT).fit(NUMBERS, X[:, 1]),
    "catboost": lambda: CatBoostRegressor(**QUIET).fit(NUMBERS, X[:, 1]),
    "behind a scaler": lambda: make_pipeline(StandardScaler(), CatBoostRegressor(**QUIET)).fit(NUMBERS, X[:, 1]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_columns_of_numbers_are_known_without_guessing(name, tmp_path, caplog):
    model = FRAMES[name]()
    engine = loaded(model, tmp_path)
    assert [(spec.name, spec.datatype) for spec in engine.signature().inputs] == [(n, "FP64") for n in "uvw"]
    assert "guessed" not in caplog.text
    answers = engine.predict(columns(NUMBERS, slice(20)))["prediction"]
    assert answers.tolist() == model.predict(NUMBERS[:20]).tolist()


CATEGORIES = {
    "xgboost": lambda: XGBClassifier(n_estimators=3, enable_categorical=True).fit(HOUSES, CODES),
    "lightgbm": lambda: LGBMClassifier(**LIGHT).fit(HOUSES, NAMES),
    "in a pipeline": lambda: make_pipeline(LGBMClassifier(**LIGHT)).fit(HOUSES, NAMES),
}


@pytest.mark.parametrize("name", CATEGORIES)
@pytest.mark.parametrize("rows", [slice(30), slice(1)])
def test_categories_of_a_frame_are_sent_by_their_values(name, rows, tmp_path):
    model = CATEGORIES[name]()
    engine = loaded(model, tmp_path)
    specs = {spec.name: (spec.datatype, spec.labels) for spec in engine.signature().inputs}
    assert specs["city"] == ("BYTES", ("Lyon", "Nice", "Paris"))
    assert specs["zone"] == ("INT64", ("10", "20"))
    answers = engine.predict(columns(HOUSES, rows))
    assert answers["label"].tolist() == model.predict(HOUSES[rows]).tolist()
    assert answers["probabilities"].tolist() == model.predict_proba(HOUSES[rows]).tolist()


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_missing_category_is_missing(name, tmp_path):
    model = CATEGORIES[name]()
    given = columns(HOUSES, slice(9))
    expected = model.predict_proba(HOUSES[:9].assign(city=pd.Categorical([None] * 9, ["Lyon", "Nice", "Paris"])))
    engine = loaded(model, tmp_path)
    for city in ({"city": np.array([None] * 9, object)}, {}):
        rest = {key: value for key, value in given.items() if key != "city"}
        assert engine.predict({**rest, **city})["probabilities"].tolist() == expected.tolist()


def test_a_value_that_is_no_category(tmp_path):
    """Missing to LightGBM; XGBoost refuses it."""
    given = {**columns(HOUSES, slice(2)), "city": np.array(["Lyon", "Rome"], object)}
    missing = {**given, "city": np.array(["Lyon", None], object)}
    light = loaded(CATEGORIES["lightgbm"](), tmp_path)
    assert light.predict(given)["probabilities"].tolist() == light.predict(missing)["probabilities"].tolist()
    with pytest.raises(InvalidInput, match="'city': 'Rome' is not a value that the model knows \\('Lyon'"):
        loaded(CATEGORIES["xgboost"](), tmp_path).predict(given)


def test_one_thread_is_enough_for_a_row(tmp_path):
    """LightGBM takes None for all cores, where scikit-learn takes it for one."""
    model = make_pipeline(StandardScaler(), LGBMRegressor(**LIGHT)).fit(NUMBERS, X[:, 1])
    assert loaded(model, tmp_path).model[-1].n_jobs == 1


def test_categories_of_catboost_are_texts(tmp_path):
    model = CatBoostClassifier(cat_features=["city", "zone"], **QUIET).fit(HOUSES, NAMES)
    engine = loaded(model, tmp_path)
    assert [spec.datatype for spec in engine.signature().inputs] == ["FP64"] * 3 + ["BYTES"] * 2
    given = {**columns(HOUSES, slice(20)), "zone": np.array([str(zone) for zone in ZONES[:20]], object)}
    assert engine.predict(given)["probabilities"].tolist() == model.predict_proba(HOUSES[:20]).tolist()


def test_categories_behind_other_parts_are_left_to_them(tmp_path):
    """Its columns are not the frame's any more: what nothing shows is guessed, as ever."""
    chosen = ColumnTransformer([("all", "passthrough", ["u", "v"])])
    model = make_pipeline(chosen, LGBMRegressor(**LIGHT)).fit(NUMBERS, X[:, 1])
    engine = loaded(model, tmp_path)
    assert [spec.name for spec in engine.signature().inputs] == ["u", "v"]
