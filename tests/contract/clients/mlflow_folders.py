"""Runs in MLflow's environment, with the frameworks of the tests' own behind it: saves a folder of each flavor, and asks
MLflow's scoring app about each.

usage: mlflow_folders.py SITE_PACKAGES FOLDER   > {"name": [[body, status, answer], ...], ...}
"""

# ruff: noqa: E402  # the frameworks have to be found first

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(sys.argv[1])
warnings.simplefilter("ignore")

import catboost
import httpx
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
from mlflow.models import infer_signature
from mlflow.pyfunc import scoring_server
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


class Folders:
    """Saves models, and remembers what to ask them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bodies: dict[str, list[Any]] = {}

    def save(self, name: str, flavor: Any, model: Any, taken: Any, answered: Any, **more: Any) -> None:
        """Signature and example are those of what it was tried with."""
        example = taken[:3]
        signature = infer_signature(taken, answered)
        arguments = {"path": str(self.folder / name), "signature": signature, "input_example": example, **more}
        call: Callable[..., Any] = flavor.save_model
        if model is None:
            call(**arguments, pip_requirements=[f"mlflow=={mlflow.__version__}"])
        else:
            call(model, **arguments, pip_requirements=requirements())
        if isinstance(example, pd.DataFrame):
            split = json.loads(example.to_json(orient="split", index=False))
            lacking = [[None, *split["data"][0][1:]], *split["data"][1:]]
            self.bodies[name] = [{"dataframe_split": split}, {"dataframe_split": {**split, "data": lacking}}]
        else:
            self.bodies[name] = [{"inputs": example.tolist()}, {"instances": example.tolist()}]


def requirements() -> list[str]:
    """What MLflow would find out by loading each model once more in a process of its own."""
    return [f"mlflow=={mlflow.__version__}", f"pandas=={pd.__version__}", f"numpy=={np.__version__}"]


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


async def answers(folders: Folders) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, bodies in folders.bodies.items():
        app = scoring_server.init(mlflow.pyfunc.load_model(str(folders.folder / name)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mlflow") as client:
            answered = [await client.post("/invocations", json=body) for body in bodies]
        pairs = zip(bodies, answered, strict=True)
        found[name] = [[body, answer.status_code, answer.json()] for body, answer in pairs]
    return found


def main() -> None:
    folders = Folders(Path(sys.argv[2]))
    make(folders)
    print(json.dumps(asyncio.run(answers(folders))))


if __name__ == "__main__":
    main()
