"""Small models of every kind that a reader meets, as bytes. Made once a session: training is the slow part."""

from __future__ import annotations

import functools
import io
import pickle
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np


@functools.cache
def classifier() -> Any:
    """A pipeline on numbers, with classes that are texts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    inputs = rng.random((40, 3)).astype(np.float32)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs, np.where(inputs[:, 0] > 0.5, "yes", "no"))


@functools.cache
def mixed() -> Any:
    """A pipeline on mixed columns, fitted on a data frame."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    frame = pd.DataFrame({"age": [20.0, 40, 60, 80] * 5, "city": ["a", "b", "c", "a"] * 5})
    columns = ColumnTransformer(
        [
            ("log", FunctionTransformer(np.log1p), ["age"]),
            ("city", OneHotEncoder(), make_column_selector(dtype_exclude=np.number)),
        ]
    )
    return Pipeline([("columns", columns), ("forest", RandomForestRegressor(2, max_depth=2, random_state=0))]).fit(
        frame, frame["age"]
    )


def pickled(protocol: int = 4, model: Any = None) -> bytes:
    return pickle.dumps(classifier() if model is None else model, protocol)


def dumped(compress: Any = 0, model: Any = None) -> bytes:
    """What joblib writes."""
    import joblib

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joblib.dump(classifier() if model is None else model, buffer, compress=compress)
    return buffer.getvalue()


def skops(model: Any = None) -> bytes:
    import skops.io

    return skops.io.dumps(classifier() if model is None else model)


@functools.cache
def onnx_classifier(*, zipmap: bool = True) -> bytes:
    from skl2onnx import to_onnx

    model = classifier()
    made = to_onnx(model, np.zeros((1, 3), np.float32), options=None if zipmap else {id(model): {"zipmap": False}})
    return made.SerializeToString()


@functools.cache
def catboost() -> bytes:
    """In CatBoost's binary format: a regressor of two numbers and a category."""
    from catboost import CatBoostRegressor

    rows = [[1.0, 2.0, "a"], [2.0, 1.0, "b"], [3.0, 5.0, "a"], [4.0, 1.0, "c"]]
    model = CatBoostRegressor(iterations=2, depth=2, verbose=False, allow_writing_files=False, thread_count=1)
    model.fit(rows, [1.0, 2.0, 3.0, 4.0], cat_features=[2])
    with tempfile.NamedTemporaryFile(suffix=".cbm") as file:
        model.save_model(file.name)
        return Path(file.name).read_bytes()


@functools.cache
def statsmodels() -> bytes:
    """Pickled results of a regression with a formula."""
    import pandas as pd
    import statsmodels.formula.api as smf

    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "c": ["a", "b", "a", "b"], "y": [1.0, 2.5, 3.0, 4.5]})
    return pickle.dumps(smf.ols("y ~ np.log(x) + C(c)", frame).fit())
