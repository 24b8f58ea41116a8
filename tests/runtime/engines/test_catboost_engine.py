"""The engine against CatBoost's own classes, and against the builder's reading of the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor, Pool

from modelbuild.artifact import read_artifact
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.catboost.engine import CatboostEngine, load
from modelbuild_runtime.errors import InvalidInput, LoadError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)).astype(np.float32)
X[::7, 2] = np.nan
REAL = X[:, 0] * 3 + X[:, 1]
CLASS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
FRAME = pd.DataFrame(
    {
        "age": X[:, 2],
        "city": RNG.choice(["Paris", "Lyon", "Éze"], 80),
        "rooms": RNG.integers(1, 9, 80),
        "zone": RNG.choice([10, 20, 30], 80),
    }
)
SMALL = {"iterations": 5, "depth": 3, "verbose": False, "allow_writing_files": False, "thread_count": 1}
EXACT = 1e-13
"""CatBoost writes numbers into JSON with an error in the last place."""
RUNTIME = next(runtime for runtime in builtin_runtimes() if runtime.name == "catboost")


def reading(path: Path) -> Reading:
    return read(RUNTIME, read_artifact(path, cache=path.parent / "cache"))


def served(model: Any, path: Path, pool: Pool | None = None) -> CatboostEngine:
    """Saved, read as the builder does, and loaded; both say the same of it."""
    model.save_model(str(path), format=path.suffix[1:], pool=pool)
    engine = load(path, EngineOptions())
    assert json.loads(msgspec.json.encode(engine.signature())) == reading(path).signature.to_json()
    return engine


def columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """As the dataplane makes them."""
    texts = {"city", "zone"}
    return {name: frame[name].to_numpy(np.float32) if name not in texts else texts_of(frame[name]) for name in frame}


def texts_of(column: pd.Series) -> np.ndarray:
    return np.array([str(value) for value in column], object)


@pytest.mark.parametrize("ending", ["cbm", "json"])
@pytest.mark.parametrize(
    ("loss", "label"),
    [
        ("RMSE", REAL),
        ("Poisson", np.abs(REAL)),
        ("RMSEWithUncertainty", REAL),
        ("MultiQuantile:alpha=0.1,0.9", REAL),
        ("MultiRMSE", np.stack([REAL, -REAL], axis=1)),
    ],
)
def test_numbers_come_out(loss, label, ending, tmp_path):
    model = CatBoostRegressor(loss_function=loss, **SMALL).fit(X, label)
    engine = served(model, tmp_path / f"m.{ending}")
    expected = model.predict(X)
    np.testing.assert_allclose(engine.predict({"X": X})["prediction"], expected, rtol=EXACT)
    np.testing.assert_allclose(engine.predict({"X": X[:1]})["prediction"], expected[:1], rtol=EXACT)


@pytest.mark.parametrize("ending", ["cbm", "json"])
@pytest.mark.parametrize(
    ("loss", "label", "datatype"),
    [
        ("Logloss", CLASS > 0, "BOOL"),
        ("Logloss", np.where(CLASS > 0, "yes", "no"), "BYTES"),
        ("CrossEntropy", (CLASS > 0) * 0.5 + 0.1, "INT64"),
        ("MultiClass", CLASS, "INT64"),
        ("MultiClassOneVsAll", np.array(["a", "b", "c"])[CLASS], "BYTES"),
        ("MultiLogloss", np.stack([CLASS > 0, CLASS > 1], axis=1).astype(int), "INT64"),
    ],
)
def test_classes_come_out(loss, label, datatype, ending, tmp_path):
    model = CatBoostClassifier(loss_function=loss, **SMALL).fit(X, label)
    engine = served(model, tmp_path / f"m.{ending}")
    answer = engine.predict({"X": X})
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(X), rtol=EXACT)
    np.testing.assert_array_equal(answer["label"], np.asarray(model.predict(X)).reshape(answer["label"].shape))
    assert engine.signature().outputs[0].datatype == datatype


def test_the_models_own_threshold(tmp_path):
    model = CatBoostClassifier(**SMALL).fit(X, CLASS > 0)
    model.set_probability_threshold(0.7)
    engine = served(model, tmp_path / "m.cbm")
    assert engine.predict({"X": X})["label"].tolist() == model.predict(X).tolist()
    assert isinstance(engine.model, CatBoostClassifier)


def test_ranking(tmp_path):
    model = CatBoostRanker(loss_function="YetiRank", **SMALL).fit(X, CLASS, group_id=np.repeat(range(4), 20))
    np.testing.assert_array_equal(served(model, tmp_path / "m.cbm").predict({"X": X})["score"], model.predict(X))


@pytest.mark.parametrize("ending", ["cbm", "json"])
def test_columns_and_categories(ending, tmp_path):
    pool = Pool(FRAME, REAL, cat_features=["city", "zone"])
    model = CatBoostRegressor(**SMALL).fit(pool)
    engine = served(model, tmp_path / f"m.{ending}", pool)
    assert [(spec.name, spec.datatype) for spec in engine.signature().inputs] == [
        ("age", "FP32"),
        ("city", "BYTES"),
        ("rooms", "FP32"),
        ("zone", "BYTES"),
    ]
    expected = model.predict(FRAME)
    np.testing.assert_allclose(engine.predict(columns(FRAME))["prediction"], expected, rtol=EXACT)
    np.testing.assert_allclose(engine.predict(FRAME)["prediction"], expected, rtol=EXACT)
    as_bytes = {**columns(FRAME), "city": np.array([city.encode() for city in FRAME["city"]], object)}
    np.testing.assert_allclose(engine.predict(as_bytes)["prediction"], expected, rtol=EXACT)
    unknown = FRAME.assign(city="Rome")
    np.testing.assert_allclose(engine.predict(columns(unknown))["prediction"], model.predict(unknown), rtol=EXACT)


def test_columns_without_names(tmp_path):
    mixed = FRAME.to_numpy(object)
    model = CatBoostRegressor(**SMALL).fit(mixed, REAL, cat_features=[1, 3])
    engine = served(model, tmp_path / "m.cbm")
    given = {str(place): array for place, array in enumerate(columns(FRAME).values())}
    np.testing.assert_allclose(engine.predict(given)["prediction"], model.predict(mixed), rtol=EXACT)


def test_categories_alone_and_named_numbers_alone(tmp_path):
    categories = FRAME[["city", "zone"]]
    model = CatBoostRegressor(**SMALL).fit(categories, REAL, cat_features=["city", "zone"])
    given = columns(categories)
    np.testing.assert_array_equal(
        served(model, tmp_path / "c.cbm").predict(given)["prediction"], model.predict(categories)
    )
    numbers = FRAME[["age", "rooms"]]
    model = CatBoostRegressor(**SMALL).fit(numbers, REAL)
    np.testing.assert_array_equal(
        served(model, tmp_path / "n.cbm").predict(columns(numbers))["prediction"], model.predict(numbers)
    )


def test_texts(tmp_path):
    frame = pd.DataFrame({"words": RNG.choice(["good day", "bad night", "so so"], 80), "x": X[:, 0]})
    model = CatBoostClassifier(**SMALL).fit(Pool(frame, CLASS > 0, text_features=["words"]))
    engine = served(model, tmp_path / "m.cbm")
    given = {"words": frame["words"].to_numpy(object), "x": X[:, 0]}
    np.testing.assert_allclose(engine.predict(given)["probabilities"], model.predict_proba(frame), rtol=EXACT)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_category_that_is_missing_is_the_clients_to_hear(missing, tmp_path):
    model = CatBoostRegressor(**SMALL).fit(Pool(FRAME, REAL, cat_features=["city", "zone"]))
    engine = served(model, tmp_path / "m.cbm")
    with pytest.raises(InvalidInput, match="input 'city': CatBoost takes texts and whole numbers") as caught:
        engine.predict({**columns(FRAME.iloc[:1]), "city": np.array([missing], object)})
    assert caught.value.field == "city"
    with pytest.raises(InvalidInput, match="input 'age' is missing"):
        engine.predict({})


@pytest.mark.parametrize("content", [b"CBM1", b"CBM1\x10\0\0\0abc", b'{"features_info": {}}', b"nonsense"])
def test_what_cannot_be_loaded(content, tmp_path):
    (tmp_path / "m.cbm").write_bytes(content)
    with pytest.raises(LoadError, match=r"m\.cbm cannot be loaded: "):
        load(tmp_path / "m.cbm", EngineOptions())
