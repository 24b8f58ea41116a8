"""Runs in MLflow's environment, with the frameworks of the tests' own behind it: saves a folder of each flavor, and asks
MLflow's scoring app about each.

usage: mlflow_folders.py SITE_PACKAGES FOLDER   > {"name": [[body, status, answer], ...], ...}
"""

# ruff: noqa: E402  # the frameworks have to be found first

from __future__ import annotations

import sys
import warnings
from typing import Any

sys.path.append(sys.argv[1])
warnings.simplefilter("ignore")

import catboost
import lightgbm
import mlflow.catboost
import mlflow.lightgbm
import mlflow.onnx
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.statsmodels
import mlflow.xgboost
import numpy as np
import pandas as pd
import statsmodels.api
import statsmodels.formula.api
import xgboost
from mlflow_asking import Folders, run
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

ROWS = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"size": RNG.normal(size=ROWS), "age": RNG.normal(size=ROWS), "floor": RNG.integers(0, 4, ROWS)})
MATRIX = FRAME.to_numpy()
TWO = (FRAME["size"] + FRAME["floor"] > 2).astype(int)
THREE = np.digitize(FRAME["size"], [-0.5, 0.5])
RENT = FRAME["size"] * 2 + FRAME["age"]
MIXED = FRAME.assign(kind=np.where(RNG.random(ROWS) > 0.5, "house", "flat"))

CODE = """
import pandas as pd
import mlflow
from mlflow.models import set_model


class Two(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return pd.DataFrame({"twice": model_input["size"] * 2, "old": model_input["age"] > 0})


set_model(Two())
"""


class Twice(mlflow.pyfunc.PythonModel):
    """A class that only a pickle by value knows."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        return model_input["size"].to_numpy() * 2


def make(folders: Folders) -> None:
    """One folder for each way of saving and of answering."""
    save = folders.save
    two = LogisticRegression().fit(FRAME, TWO)
    save("sklearn", mlflow.sklearn, two, FRAME, two.predict(FRAME))
    chances = two.predict_proba(FRAME)
    save("sklearn-probabilities", mlflow.sklearn, two, FRAME, chances, pyfunc_predict_fn="predict_proba")
    unnamed = LogisticRegression().fit(MATRIX, TWO)
    save("sklearn-matrix", mlflow.sklearn, unnamed, MATRIX, unnamed.predict(MATRIX))
    save("sklearn-matrix-by-columns", mlflow.sklearn, unnamed, FRAME, unnamed.predict(MATRIX))
    columns = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    mixed = make_pipeline(columns, LogisticRegression()).fit(MIXED, np.where(TWO, "yes", "no"))
    save("sklearn-mixed", mlflow.sklearn, mixed, MIXED, mixed.predict(MIXED), serialization_format="cloudpickle")
    data = xgboost.DMatrix(FRAME, label=TWO)
    booster = xgboost.train({"objective": "binary:logistic"}, data, 4)
    save("xgboost-booster", mlflow.xgboost, booster, FRAME, booster.predict(data))
    many = xgboost.XGBClassifier(n_estimators=4).fit(FRAME, THREE)
    save("xgboost-classifier", mlflow.xgboost, many, FRAME, many.predict(FRAME), model_format="json")
    trees = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1}, lightgbm.Dataset(FRAME, THREE), 4
    )
    save("lightgbm-booster", mlflow.lightgbm, trees, FRAME, trees.predict(FRAME))
    quiet = {"iterations": 4, "verbose": 0, "allow_writing_files": False}
    cat = catboost.CatBoostClassifier(**quiet).fit(FRAME, TWO)
    save("catboost-classifier", mlflow.catboost, cat, FRAME, cat.predict(FRAME))
    formula = statsmodels.formula.api.ols("rent ~ size + C(floor)", FRAME.assign(rent=RENT)).fit()
    save("statsmodels-formula", mlflow.statsmodels, formula, FRAME[["size", "floor"]], formula.predict(FRAME))
    plain = statsmodels.api.OLS(RENT, FRAME).fit()
    save("statsmodels-columns", mlflow.statsmodels, plain, FRAME, plain.predict(FRAME))
    graph = to_onnx(unnamed, MATRIX.astype(np.float32), options={"zipmap": False})
    save("onnx", mlflow.onnx, graph, MATRIX.astype(np.float32), unnamed.predict(MATRIX))
    save("pickled-code", mlflow.pyfunc, None, FRAME, FRAME["size"].to_numpy(), python_model=Twice())
    code = folders.folder / "two.py"
    code.write_text(CODE)
    answered = pd.DataFrame({"twice": FRAME["size"], "old": FRAME["age"] > 0})
    save("code", mlflow.pyfunc, None, FRAME, answered, python_model=str(code))


if __name__ == "__main__":
    run(make)
