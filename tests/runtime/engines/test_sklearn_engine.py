"""scikit-learn: every kind of estimator, on arrays and on frames, answers what its own methods answer."""

from __future__ import annotations

import gzip
import pickle
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.sklearn.engine import SklearnEngine, load
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, 3))
Y = np.array(["no", "yes"], object)[(X[:, 0] + X[:, 1] > 0).astype(int)]
CODES = (X[:, 0] > 0).astype(int)
TARGETS = np.stack([CODES, RNG.integers(0, 3, 60)], axis=1)
NUMBERS = pd.DataFrame(X, columns=["u", "v", "w"])
HOUSES = pd.DataFrame(
    {
        "surface": np.where(np.arange(60) % 7, X[:, 0], np.nan),
        "rooms": RNG.integers(1, 5, 60),
        "city": RNG.choice(["Lyon", "Paris"], 60),
        "energy": RNG.choice(["A", "B", None], 60),
        "id": [f"h{i}" for i in range(60)],
    }
)


def columns() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
            (
                "words",
                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                ["city", "energy"],
            ),
        ]
    )


def served(model: Any, **options: Any) -> SklearnEngine:
    return SklearnEngine(model, Signature(**options))


ON_ARRAYS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression().fit(X, Y),
    "svc": lambda: SVC().fit(X, Y),
    "forest": lambda: RandomForestClassifier(5, random_state=0).fit(X, Y),
    "bagging": lambda: BaggingClassifier(n_estimators=3, random_state=0).fit(X, Y),
    "calibrated": lambda: CalibratedClassifierCV(SVC(), cv=2).fit(X, Y),
    "tree": lambda: DecisionTreeClassifier(random_state=0).fit(X, Y),
    "linear": lambda: LinearRegression().fit(X, X[:, 0]),
    "two targets": lambda: LinearRegression().fit(X, X[:, :2]),
    "transformed target": lambda: TransformedTargetRegressor(LinearRegression()).fit(X, X[:, 0]),
    "kmeans": lambda: KMeans(2, n_init=1, random_state=0).fit(X),
    "mixture": lambda: GaussianMixture(2, random_state=0).fit(X),
    "density": lambda: KernelDensity().fit(X),
    "isolation": lambda: IsolationForest(n_estimators=5, random_state=0).fit(X),
    "one class": lambda: OneClassSVM().fit(X),
    "pca": lambda: make_pipeline(StandardScaler(), PCA(2)).fit(X),
    "scaled": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
}

OUTPUTS = {
    "svc": ["label"],
    "linear": ["prediction"],
    "two targets": ["prediction"],
    "transformed target": ["prediction"],
    "kmeans": ["cluster"],
    "mixture": ["cluster", "probabilities"],
    "density": ["score"],
    "isolation": ["label", "score"],
    "one class": ["label", "score"],
    "pca": ["features"],
}
METHODS = {
    "label": "predict",
    "prediction": "predict",
    "cluster": "predict",
    "probabilities": "predict_proba",
    "features": "transform",
}


@pytest.mark.parametrize("name", ON_ARRAYS)
def test_fitted_on_an_array(name: str) -> None:
    model = ON_ARRAYS[name]()
    engine = served(model)

    assert engine.signature().inputs == (TensorSpec("X", "FP64", (-1, 3)),)
    assert not engine.signature().columns
    answer = engine.predict({"X": X})
    assert list(answer) == OUTPUTS.get(name, ["label", "probabilities"])
    for output, array in answer.items():
        method = METHODS.get(output, "score_samples" if name == "density" else "decision_function")
        np.testing.assert_array_equal(array, getattr(model, method)(X), strict=array.dtype != object)
    assert [(spec.name, spec.shape[1:]) for spec in engine.signature().outputs] == [
        (output, array.shape[1:]) for output, array in answer.items()
    ]


def test_classes_are_labels() -> None:
    (label, probabilities) = served(ON_ARRAYS["logistic"]()).signature().outputs

    assert label == TensorSpec("label", "BYTES", (-1,), labels=("no", "yes"))
    assert probabilities == TensorSpec("probabilities", "FP64", (-1, 2), labels=("no", "yes"))


@pytest.mark.parametrize(
    "kind", [MultiOutputClassifier(LogisticRegression()), RandomForestClassifier(3, random_state=0)]
)
def test_several_targets(kind: Any) -> None:
    model = kind.fit(X, TARGETS)
    engine = served(model)

    answer = engine.predict({"X": X[:4]})
    assert answer["label"].tolist() == model.predict(X[:4]).tolist()
    assert answer["probabilities_1"].tolist() == model.predict_proba(X[:4])[1].tolist()
    assert [(s.name, s.shape, s.labels) for s in engine.signature().outputs] == [
        ("label", (-1, 2), ()),
        ("probabilities_0", (-1, 2), ("0", "1")),
        ("probabilities_1", (-1, 3), ("0", "1", "2")),
    ]


def test_probabilities_decide_only_where_they_do_by_definition() -> None:
    class Contrary(RandomForestClassifier):
        def predict(self, X: Any) -> Any:
            return self.classes_[::-1].take(np.argmax(self.predict_proba(X), axis=1))

    model = Contrary(5, random_state=0).fit(X, Y)

    assert served(model).predict({"X": X})["label"].tolist() == model.predict(X).tolist()


def test_mixed_columns() -> None:
    model = make_pipeline(columns(), LogisticRegression()).fit(HOUSES, Y)
    engine = served(model)

    assert engine.signature().columns
    assert engine.signature().inputs == (
        TensorSpec("surface", "FP64", (-1,), optional=True),
        TensorSpec("rooms", "FP64", (-1,), optional=True),
        TensorSpec("city", "BYTES", (-1,), optional=True, labels=("Lyon", "Paris")),
        TensorSpec("energy", "BYTES", (-1,), optional=True, labels=("A", "B")),
    )
    given = {name: HOUSES[name].to_numpy(object if name in {"city", "energy"} else None) for name in HOUSES.columns[:4]}
    np.testing.assert_array_equal(engine.predict(given)["probabilities"], model.predict_proba(HOUSES))
    np.testing.assert_array_equal(engine.predict(HOUSES)["label"], model.predict(HOUSES))


def test_missing_values_are_what_they_were_when_fitted() -> None:
    model = make_pipeline(columns(), LogisticRegression()).fit(HOUSES, Y)
    row = pd.DataFrame({"surface": [np.nan], "rooms": [3.0], "city": ["Lyon"], "energy": [np.nan], "id": ["x"]})
    expected = model.predict_proba(row).tolist()
    engine = served(model)

    given = {"rooms": np.array([3.0]), "city": np.array([b"Lyon"], object)}
    assert engine.predict(given)["probabilities"].tolist() == expected
    given = {"surface": np.array([np.nan]), "energy": np.array([None], object), **given}
    assert engine.predict(given)["probabilities"].tolist() == expected


def test_none_stays_none_where_it_is_a_category() -> None:
    frame = pd.DataFrame({"c": pd.Series(["a", None] * 30, dtype=object)})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame, CODES)
    assert model[0].categories_[0].tolist() == ["a", None]
    engine = served(model)

    for cells in (["a", None], [None, None]):
        expected = model.predict_proba(pd.DataFrame({"c": pd.Series(cells, dtype=object)}))
        np.testing.assert_array_equal(engine.predict({"c": np.array(cells, object)})["probabilities"], expected)


def test_numbers_on_a_frame_are_served_from_an_array_without_a_warning() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine = served(model)
        answer = engine.predict({name: NUMBERS[name].to_numpy() for name in ("w", "u", "v")})

    assert engine.signature().columns
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(NUMBERS))
    assert list(model.feature_names_in_) == ["u", "v", "w"]


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("l", LogisticRegression()), ("t", DecisionTreeClassifier(random_state=0))], voting="soft"),
        make_pipeline(FunctionTransformer(lambda frame: frame[["w", "u"]] ** 2), LogisticRegression()),
        make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression()),
        GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [1, 2]}, cv=2),
    ],
    ids=["vote", "picks by name", "makes frames", "search"],
)
def test_numbers_on_a_frame(model: Any) -> None:
    model.fit(NUMBERS, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine = served(model)
        answer = engine.predict({name: NUMBERS[name].to_numpy() for name in NUMBERS})

    assert [spec.name for spec in engine.signature().inputs] == ["u", "v", "w"]
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(NUMBERS))


def test_columns_by_position_mask_and_slice_and_types_found_by_trying() -> None:
    chosen = ColumnTransformer(
        [
            ("mask", OrdinalEncoder(), np.array([False, False, True, False, False])),
            ("position", FunctionTransformer(lambda frame: frame.map(len)), [4]),
            ("slice", "passthrough", slice("rooms", "rooms")),
            ("gone", "drop", ["energy"]),
        ]
    )
    model = make_pipeline(chosen, LogisticRegression()).fit(HOUSES, Y)
    engine = served(model)

    assert [(s.name, s.datatype) for s in engine.signature().inputs] == [
        ("rooms", "FP64"),
        ("city", "BYTES"),
        ("id", "BYTES"),
    ]
    given = {"rooms": np.array([1.0]), "city": np.array(["Lyon"], object), "id": np.array(["h1"], object)}
    assert engine.predict(given)["label"].shape == (1,)


def test_declared_datatypes_come_first() -> None:
    model = make_pipeline(columns(), LogisticRegression()).fit(HOUSES, Y)

    engine = served(model, inputs=(TensorSpec("rooms", "INT64", (-1,)),))

    assert engine.signature().inputs[1] == TensorSpec("rooms", "INT64", (-1,))


def test_categories_of_a_boosted_model() -> None:
    frame = HOUSES[["surface", "city"]].astype({"city": "category"})
    model = HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(frame, Y)
    engine = served(model)

    assert engine.signature().inputs[1] == TensorSpec("city", "BYTES", (-1,), labels=("Lyon", "Paris"))
    given = {"surface": frame["surface"].to_numpy(), "city": HOUSES["city"].to_numpy(object)}
    np.testing.assert_array_equal(engine.predict(given)["probabilities"], model.predict_proba(frame))


def test_a_mixed_array_has_a_column_each() -> None:
    chosen = ColumnTransformer([("c", OneHotEncoder(), [0]), ("n", StandardScaler(), [1])])
    array = HOUSES[["city", "rooms"]].to_numpy(object)
    model = make_pipeline(chosen, LogisticRegression()).fit(array, Y)
    engine = served(model)

    assert [(s.name, s.datatype) for s in engine.signature().inputs] == [("x0", "BYTES"), ("x1", "FP64")]
    given = {"x0": array[:, 0], "x1": array[:, 1].astype(float)}
    np.testing.assert_array_equal(engine.predict(given)["label"], model.predict(array))


def test_texts() -> None:
    texts = ["good day", "bad night"] * 30
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, CODES)
    engine = served(model)

    assert engine.signature().inputs == (TensorSpec("X", "BYTES", (-1,)),)
    np.testing.assert_array_equal(
        engine.predict({"X": np.array(texts, object)})["probabilities"], model.predict_proba(texts)
    )


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ({"u": np.array([np.nan]), "c": np.array(["a"], object)}, "u", "missing or infinite"),
        ({"u": np.array([np.inf]), "c": np.array(["a"], object)}, "u", "missing or infinite"),
        ({"u": np.array([1.0]), "c": np.array(["z"], object)}, "c", "'z' is not a value that the model knows"),
    ],
)
def test_values_that_the_model_refuses_are_the_clients_to_hear(given: dict, name: str, message: str) -> None:
    frame = pd.DataFrame({"u": X[:, 0], "c": ["a", "b"] * 30})
    chosen = ColumnTransformer([("n", StandardScaler(), ["u"]), ("c", OneHotEncoder(), ["c"])])
    engine = served(make_pipeline(chosen, LogisticRegression()).fit(frame, Y))

    with pytest.raises(InvalidInput, match=message) as caught:
        engine.predict(given)
    assert caught.value.field == name


def test_a_number_that_is_no_category_is_told_plainly() -> None:
    frame = pd.DataFrame({"u": X[:, 0], "code": RNG.integers(100, 104, 60)})
    chosen = ColumnTransformer([("c", OneHotEncoder(), ["code"])], remainder="passthrough")
    engine = served(make_pipeline(chosen, LogisticRegression()).fit(frame, Y))

    with pytest.raises(InvalidInput, match="input 'code': 999 is not a value") as caught:
        engine.predict({"u": np.array([1.0]), "code": np.array([999])})
    assert caught.value.field == "code"


def test_a_frame_without_pandas_is_told_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pipeline(columns(), LogisticRegression()).fit(HOUSES, Y)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(LoadError, match="pandas is not installed"):
        served(model)


def test_a_row_of_nothing_is_refused() -> None:
    engine = served(make_pipeline(columns(), LogisticRegression()).fit(HOUSES, Y))

    with pytest.raises(InvalidInput, match="no input was sent; the model has 'surface', 'rooms'"):
        engine.predict({})


def write_joblib(model: Any, path: Path) -> None:
    joblib.dump(model, path, compress=("xz", 1))


def write_pickle(model: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(model))


def write_gzip(model: Any, path: Path) -> None:
    path.write_bytes(gzip.compress(pickle.dumps(model)))


def write_skops(model: Any, path: Path) -> None:
    skops.io.dump(model, path)


@pytest.mark.parametrize("write", [write_joblib, write_pickle, write_gzip, write_skops])
def test_file_formats(tmp_path: Path, write: Callable[[Any, Path], None]) -> None:
    write(RandomForestClassifier(3, random_state=0, n_jobs=-1).fit(X, Y), tmp_path / "m")
    trusted = ["sklearn.tree._tree.Tree"]

    engine = load(tmp_path / "m", EngineOptions(options={"trusted": trusted}))

    assert engine.model.n_jobs == 1
    assert engine.predict({"X": X[:1]})["label"].tolist() == [Y[0]]


class Squares(TransformerMixin, BaseEstimator):
    """Keeps nothing of fit()."""

    def fit(self, X: Any, y: Any = None) -> Squares:
        return self

    def transform(self, X: Any) -> np.ndarray:
        return np.asarray(X, float) ** 2


@pytest.mark.parametrize("before", [[StandardScaler()], [StandardScaler(), "passthrough"], []])
def test_a_transformer_that_learns_nothing_may_come_last(before: list[Any]) -> None:
    model = make_pipeline(*before, Squares(), LogisticRegression()).fit(X, Y)

    np.testing.assert_array_equal(served(model).predict({"X": X})["probabilities"], model.predict_proba(X))


class Undefined:
    """Stands for a class of the training script."""

    def predict(self, X: Any) -> Any:
        return X


def unpicklable(path: Path, module: str) -> None:
    content = pickle.dumps(Undefined(), protocol=2).replace(Undefined.__module__.encode(), module.encode())
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "message", "hint"),
    [
        (lambda path: write_pickle({"model": 1}, path), "holds a dict, not an estimator", "fitted pipeline itself"),
        (lambda path: write_pickle(LogisticRegression(), path), "LogisticRegression in m.pkl is not fitted", "fit"),
        (lambda path: write_pickle(DBSCAN().fit(X), path), "DBSCAN cannot predict on new data", "handler"),
        (
            lambda path: write_pickle(make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1}], [1]), path),
            "first step, a DictVectorizer, takes dicts",
            "handler",
        ),
        (lambda path: path.write_bytes(b"nonsense"), "m.pkl cannot be loaded: ", ""),
        (lambda path: path.write_bytes(pickle.dumps(X)[:50]), "m.pkl cannot be loaded: ", ""),
        (
            lambda path: unpicklable(path, "__main__"),
            "needs Undefined, which was defined in the script",
            "in the handler",
        ),
        (
            lambda path: unpicklable(path, "nowhere_to_be_found"),
            "needs the module 'nowhere_to_be_found'",
            "requirements",
        ),
    ],
    ids=["dict", "unfitted", "dbscan", "dicts", "garbage", "truncated", "main", "module"],
)
def test_what_cannot_be_loaded(tmp_path: Path, write: Callable[[Path], None], message: str, hint: str) -> None:
    write(tmp_path / "m.pkl")

    with pytest.raises(LoadError, match=message) as caught:
        load(tmp_path / "m.pkl", EngineOptions())
    assert hint in caught.value.hint


def test_a_class_of_the_training_script_in_a_server_that_runs_as_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``python -m modelbuild_runtime``: what is lacking in ``__main__`` is said of the module's full name."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec("modelbuild_runtime.__main__", None))
    unpicklable(tmp_path / "m.pkl", "__main__")

    with pytest.raises(LoadError, match="which was defined in the script that trained it") as caught:
        load(tmp_path / "m.pkl", EngineOptions())
    assert caught.value.hint == "Define or import Undefined in the handler module."


class Lengths(TransformerMixin, BaseEstimator):
    """Takes texts, and would take numbers as well."""

    def fit(self, X: Any, y: Any = None) -> Lengths:
        self.feature_names_in_ = np.array(X.columns, object)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        return np.c_[X["city"].astype(str).str.len(), X["rooms"]]


EXAMPLES = [
    {"city": "Lyon", "rooms": 2},
    [{"city": "Lyon", "rooms": 2}],
    [["Lyon", 2]],
    {"instances": [{"city": "Lyon", "rooms": 2}]},
    {"inputs": {"city": ["Lyon"], "rooms": [2]}},
]


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize(
    "model", [make_pipeline(Lengths(), LinearRegression()), DummyClassifier()], ids=["custom", "dummy"]
)
def test_an_example_shows_what_the_model_does_not(model: Any, example: Any) -> None:
    model.fit(HOUSES[["city", "rooms"]], CODES)
    engine = SklearnEngine(model, Signature(), [example])

    assert engine.signature().inputs == (TensorSpec("city", "BYTES", (-1,)), TensorSpec("rooms", "FP64", (-1,)))


def test_a_guess_is_told_with_its_cure(caplog: pytest.LogCaptureFixture) -> None:
    served(make_pipeline(Lengths(), LinearRegression()).fit(HOUSES[["city", "rooms"]], CODES))

    assert "datatypes of 'city', 'rooms': they are guessed" in caplog.text
    assert "Annotated[pandas.DataFrame, Record]" in caplog.text
