"""The engine against the results' own ``predict`` and ``forecast``."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.holtwinters import ExponentialSmoothing

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.statsmodels.engine import load
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import TensorSpec

RNG = np.random.default_rng(0)
COUNT = 90
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(40, 10, COUNT),
        "rooms": RNG.integers(1, 9, COUNT),
        "city": RNG.choice(["Paris", "Lyon", "Nice"], COUNT),
        "own": RNG.random(COUNT) > 0.5,
        "net income": RNG.normal(size=COUNT),
    }
)
FRAME["y"] = FRAME["age"] * 0.1 + FRAME["rooms"] + (FRAME["city"] == "Lyon") * 2 + RNG.normal(size=COUNT)
FRAME["b"] = (FRAME["y"] > FRAME["y"].mean()).astype(int)
FRAME["k"] = pd.cut(FRAME["y"], 3, labels=False)
X = sm.add_constant(RNG.normal(size=(COUNT, 2)))
Y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=COUNT)
NAMED = pd.DataFrame(X, columns=["const", "u", "v"])
DATES = pd.date_range("2024-01-01", periods=COUNT, freq="D")
SERIES = pd.Series(np.cumsum(Y) + 500, DATES)


def served(results: Any, path: Path) -> Any:
    results.save(str(path))
    return load(path, EngineOptions())


def columns(frame: pd.DataFrame, names: list[str]) -> dict[str, np.ndarray]:
    """As the dataplane makes them."""
    kinds = {"city": object, "own": bool}
    return {name: frame[name].to_numpy(kinds.get(name, float)) for name in names}


@pytest.mark.parametrize(
    ("fit", "names"),
    [
        (lambda: smf.ols("y ~ age + rooms + C(city) + own", FRAME).fit(), ["age", "rooms", "city", "own"]),
        (lambda: smf.ols("y ~ np.log(rooms) * city + center(age)", FRAME).fit(), ["age", "rooms", "city"]),
        (lambda: smf.ols("y ~ Q('net income') + C(rooms)", FRAME).fit(), ["rooms", "net income"]),
        (lambda: smf.ols("y ~ age.clip(lower=30) + rooms", FRAME).fit(), ["age", "rooms"]),
        (lambda: smf.logit("b ~ age + city", FRAME).fit(disp=0), ["age", "city"]),
        (lambda: smf.glm("b ~ age + city", FRAME, family=sm.families.Binomial()).fit(), ["age", "city"]),
        (lambda: smf.quantreg("y ~ age", FRAME).fit(q=0.9), ["age"]),
        (lambda: smf.mixedlm("y ~ age", FRAME, groups=FRAME["city"]).fit(), ["age"]),
    ],
)
def test_formulas(fit, names, tmp_path):
    results = fit()
    engine = served(results, tmp_path / "m.pickle")
    assert [spec.name for spec in engine.signature().inputs] == names
    given = columns(FRAME, names)
    expected = np.asarray(results.predict(FRAME))
    np.testing.assert_allclose(engine.predict(given)["prediction"], expected, rtol=1e-12)
    one = {name: array[:1] for name, array in given.items()}
    np.testing.assert_allclose(engine.predict(one)["prediction"], expected[:1], rtol=1e-12)
    np.testing.assert_allclose(engine.predict(FRAME)["prediction"], expected, rtol=1e-12)


def test_datatypes_and_categories_are_those_of_the_frame(tmp_path):
    results = smf.ols("y ~ age + city + own", FRAME).fit()
    results.save(str(tmp_path / "m.pickle"), remove_data=True)
    assert load(tmp_path / "m.pickle", EngineOptions()).signature().inputs == (
        TensorSpec("age", "FP64", (-1,)),
        TensorSpec("city", "BYTES", (-1,), labels=("Lyon", "Nice", "Paris")),
        TensorSpec("own", "BOOL", (-1,)),
    )


def test_what_a_formula_does_not_know_is_the_clients_to_hear(tmp_path):
    engine = served(smf.ols("y ~ age + city + C(rooms)", FRAME).fit(), tmp_path / "m.pickle")
    row = columns(FRAME.iloc[:1], ["age", "rooms", "city"])
    with pytest.raises(InvalidInput, match="'Rome' is not a value that the model knows") as caught:
        engine.predict({**row, "city": np.array(["Rome"], object)})
    assert caught.value.field == "city"
    with pytest.raises(InvalidInput, match=r"the formula refuses this input: .*expected levels"):
        engine.predict({**row, "rooms": np.array([99.0])})
    with pytest.raises(InvalidInput, match="input 'city' is missing"):
        engine.predict({"age": row["age"], "rooms": row["rooms"]})
    with pytest.raises(InvalidInput, match="no input was sent"):
        engine.predict({})


def test_a_missing_number_makes_a_missing_answer(tmp_path):
    results = smf.ols("y ~ age + city", FRAME).fit()
    few = FRAME.iloc[:3].assign(age=[20.0, np.nan, 30.0])
    answer = served(results, tmp_path / "m.pickle").predict(columns(few, ["age", "city"]))["prediction"]
    np.testing.assert_allclose(answer, np.asarray(results.predict(few)), rtol=1e-12)
    assert np.isnan(answer).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", [sm.OLS, sm.GLM, sm.RLM])
def test_arrays_and_frames_of_numbers(kind, tmp_path):
    plain = kind(Y, X).fit()
    engine = served(plain, tmp_path / "a.pickle")
    assert engine.signature().inputs == (TensorSpec("X", "FP64", (-1, 3)),)
    np.testing.assert_allclose(engine.predict({"X": X})["prediction"], plain.predict(X))
    named = kind(Y, NAMED).fit()
    engine = served(named, tmp_path / "n.pickle")
    assert [(spec.name, spec.optional) for spec in engine.signature().inputs] == [
        ("const", True),
        ("u", False),
        ("v", False),
    ]
    expected = np.asarray(named.predict(NAMED))
    without = {"u": X[:, 1], "v": X[:, 2]}
    np.testing.assert_allclose(engine.predict(without)["prediction"], expected)
    np.testing.assert_allclose(engine.predict({"const": X[:, 0], **without})["prediction"], expected)


@pytest.mark.parametrize(
    "fit",
    [
        lambda: sm.MNLogit(FRAME["k"], FRAME[["age", "rooms"]]).fit(disp=0),
        lambda: OrderedModel(FRAME["k"], FRAME[["age", "rooms"]], distr="logit").fit(disp=0, method="bfgs"),
    ],
    ids=["MNLogit", "OrderedModel"],
)
def test_classes(fit, tmp_path):
    results = fit()
    engine = served(results, tmp_path / "m.pickle")
    answer = engine.predict(columns(FRAME, ["age", "rooms"]))
    expected = np.asarray(results.predict(FRAME[["age", "rooms"]]))
    np.testing.assert_allclose(answer["probabilities"], expected)
    np.testing.assert_array_equal(answer["label"], expected.argmax(axis=1))
    assert engine.signature().outputs[0].labels == ("0", "1", "2")


@pytest.mark.parametrize(
    "fit",
    [
        lambda: ARIMA(np.cumsum(Y), order=(1, 1, 1)).fit(),
        lambda: sm.tsa.SARIMAX(SERIES, order=(1, 0, 0)).fit(disp=0),
        lambda: ExponentialSmoothing(SERIES, trend="add").fit(),
        lambda: sm.tsa.AutoReg(np.cumsum(Y), 2).fit(),
    ],
    ids=["ARIMA", "SARIMAX", "ExponentialSmoothing", "AutoReg"],
)
@pytest.mark.filterwarnings("ignore")
def test_forecasts(fit, tmp_path):
    results = fit()
    engine = served(results, tmp_path / "m.pickle")
    assert not engine.batched
    assert engine.signature().inputs == (TensorSpec("steps", "INT64", (1,)),)
    answer = engine.predict({"steps": np.array([5])})["forecast"]
    np.testing.assert_allclose(answer, np.asarray(results.forecast(5)))
    for steps in (0, -1, 1_000_000):
        with pytest.raises(InvalidInput, match="must be from 1 to"):
            engine.predict({"steps": np.array([steps])})


def test_forecasts_that_need_more_are_refused(tmp_path):
    results = ARIMA(Y, exog=X[:, 1:], order=(1, 0, 0)).fit()
    with pytest.raises(LoadError, match="cannot forecast by itself") as caught:
        served(results, tmp_path / "m.pickle")
    assert "handler" in caught.value.hint


@pytest.mark.parametrize("compress", [0, ("xz", 1), ("zlib", 3)])
def test_files_of_joblib(compress, tmp_path):
    results = sm.OLS(Y, X).fit()
    joblib.dump(results, tmp_path / "m.joblib", compress=compress)
    engine = load(tmp_path / "m.joblib", EngineOptions())
    np.testing.assert_allclose(engine.predict({"X": X})["prediction"], results.predict(X))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": 1}), "holds a dict, not the results"),
        (pickle.dumps(sm.families.Binomial()), "holds a Binomial, not the results"),
        (b"nonsense", "cannot be loaded"),
        (b"cnowhere_to_be_found\nA\n.", "needs the module 'nowhere_to_be_found'"),
    ],
)
def test_what_cannot_be_loaded(content, message, tmp_path):
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(LoadError, match=message):
        load(tmp_path / "m.pkl", EngineOptions())


def test_a_formula_of_another_version_is_told(tmp_path):
    results = smf.ols("y ~ age", FRAME).fit()
    data = pickle.dumps(results)
    loaded = pickle.loads(data)
    loaded.model.data.design_info = loaded.model.data.model_spec = None
    from modelbuild_runtime.engines.statsmodels.engine import RowsEngine

    with pytest.raises(LoadError, match=r"has a formula that statsmodels .* cannot restore") as caught:
        RowsEngine(loaded)
    assert "statsmodels<0.15" in caught.value.hint
