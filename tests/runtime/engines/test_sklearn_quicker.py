"""scikit-learn: what is quicker than the estimator's methods answers the same bits, and leaves to them what it must."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelbuild_runtime.engines.sklearn.engine import SklearnEngine
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import Signature

RNG = np.random.default_rng(7)
X = RNG.normal(size=(90, 4)) * [1, 10, 100, 1000]
BINARY = np.array(["no", "yes"])[(X[:, 0] + X[:, 1] / 10 > 0).astype(int)]
THREE = np.digitize(X[:, 1], [-5, 5])
NUMBER = X @ [1.0, 2.0, 3.0, 4.0]
FOREST = {"n_estimators": 7, "random_state": 0}
SCALERS = (
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    RobustScaler(),
    RobustScaler(with_centering=False),
    MinMaxScaler(),
    MaxAbsScaler(),
    MinMaxScaler(clip=True),
)
WITHOUT_METHODS = [
    LogisticRegression().fit(X, BINARY),
    LogisticRegression().fit(X, THREE),
    LinearRegression().fit(X, NUMBER),
    LinearRegression().fit(X, X[:, :2]),
    Ridge().fit(X, NUMBER),
    Lasso().fit(X, NUMBER),
    RandomForestClassifier(**FOREST).fit(X, BINARY),
    RandomForestClassifier(**FOREST).fit(X, THREE),
    ExtraTreesClassifier(**FOREST).fit(X, THREE),
    DecisionTreeClassifier(random_state=0).fit(X, BINARY),
    RandomForestRegressor(**FOREST).fit(X, NUMBER),
    ExtraTreesRegressor(**FOREST).fit(X, NUMBER),
    DecisionTreeRegressor(random_state=0).fit(X, NUMBER),
    *(make_pipeline(scaler, "passthrough", LogisticRegression()).fit(X, BINARY) for scaler in SCALERS[:-1]),
]
DECIDED_ONCE = {
    "decision_function": [
        GradientBoostingClassifier(n_estimators=5).fit(X, BINARY),
        GradientBoostingClassifier(n_estimators=5).fit(X, THREE),
        LinearDiscriminantAnalysis().fit(X, BINARY),
        SGDClassifier(loss="log_loss", random_state=0).fit(X, THREE),
        make_pipeline(SCALERS[-1], LogisticRegression()).fit(X, THREE),
    ],
    "_raw_predict": [
        HistGradientBoostingClassifier(max_iter=5).fit(X, BINARY),
        HistGradientBoostingClassifier(max_iter=5).fit(X, THREE),
    ],
}


def served(model: Any) -> SklearnEngine:
    return SklearnEngine(model, Signature())


def calls(predict: Callable[[Any], Any], given: Any) -> Counter:
    """How often functions of each name are called for one prediction."""
    found: Counter = Counter()
    sys.setprofile(lambda frame, event, _: found.update([frame.f_code.co_name]) if event == "call" else None)
    try:
        predict(given)
    finally:
        sys.setprofile(None)
    return found


def assert_as_its_methods(engine: SklearnEngine, rows: np.ndarray) -> None:
    answer = engine.predict({"X": rows})
    for output, array in answer.items():
        expected = getattr(engine.model, "predict_proba" if output == "probabilities" else "predict")(rows)
        np.testing.assert_array_equal(array, expected, strict=array.dtype != object)


@pytest.mark.parametrize("model", WITHOUT_METHODS, ids=str)
def test_arithmetic_alone(model: Any) -> None:
    engine = served(model)

    assert calls(engine.predict, {"X": X})["check_array"] == 0
    for rows in (X, X[:1], X[::-2], RNG.normal(size=(3, 4)) * 1e6):
        assert_as_its_methods(engine, rows)


@pytest.mark.parametrize(
    ("decision", "model"), [(name, model) for name in DECIDED_ONCE for model in DECIDED_ONCE[name]]
)
def test_one_decision_for_a_class_and_its_probability(decision: str, model: Any) -> None:
    engine = served(model)

    assert calls(engine.predict, {"X": X})[decision] == calls(model.predict_proba, X)[decision] > 0
    assert_as_its_methods(engine, X)
    assert_as_its_methods(engine, X[:1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("model", [WITHOUT_METHODS[0], WITHOUT_METHODS[-1], LinearRegression().fit(X, NUMBER)], ids=str)
def test_what_the_methods_refuse_is_refused(model: Any, value: float) -> None:
    rows = X[:3].copy()
    rows[1, 2] = value

    with pytest.raises(InvalidInput, match="missing or infinite"):
        served(model).predict({"X": rows})


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    "model",
    [RandomForestClassifier(**FOREST).fit(X, BINARY), make_pipeline(MinMaxScaler(), Ridge()).fit(X / 1e9, NUMBER)],
    ids=str,
)
def test_numbers_that_become_too_large_are_refused(model: Any) -> None:
    with pytest.raises((InvalidInput, ValueError)):
        model.predict(np.full((1, 4), 1e308))
    with pytest.raises((InvalidInput, ValueError)):
        served(model).predict({"X": np.full((1, 4), 1e308)})


def test_missing_values_that_trees_know_take_their_way() -> None:
    rows = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    engine = served(RandomForestClassifier(**FOREST).fit(rows, BINARY))

    assert_as_its_methods(engine, rows)


@pytest.mark.parametrize("model", WITHOUT_METHODS[:3], ids=str)
def test_other_arrays_are_left_to_the_methods(model: Any) -> None:
    engine = served(model)

    assert_as_its_methods(engine, X.astype(np.float32))
    with pytest.raises(ValueError, match="is expecting 4 features"):
        engine.predict({"X": X[:, :3]})
    with pytest.raises(ValueError, match="0 sample"):
        engine.predict({"X": X[:0]})


def test_a_method_of_ones_own_is_called() -> None:
    model = LogisticRegression().fit(X, BINARY)
    model.predict = lambda rows: np.full(len(rows), "maybe", object)

    assert set(served(model).predict({"X": X})["label"]) == {"maybe"}


def test_a_class_of_ones_own_is_called() -> None:
    class Cautious(LogisticRegression):
        def predict(self, rows: Any) -> Any:
            return np.full(len(rows), "maybe", object)

    rows = {f"x{place}": X[:, place] for place in range(4)}
    assert set(served(Cautious().fit(X, BINARY)).predict(rows)["label"]) == {"maybe"}


def test_a_forest_with_threads_keeps_them() -> None:
    engine = served(RandomForestClassifier(**FOREST, n_jobs=2).fit(X, BINARY))

    assert calls(engine.predict, {"X": X})["check_array"] > 0
    assert_as_its_methods(engine, X)
