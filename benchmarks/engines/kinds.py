"""One model a kind, of thirty numbers in and classes or a number out, and how its framework alone is asked.

Imported in the environment of each kind, and by peers for the models that they serve.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FEATURES = 30
ROWS = 1000


class Kind(NamedTuple):
    """``plain`` takes an array of rows and makes the framework's quickest documented call."""

    runtime: str
    path: Path
    plain: Callable[[np.ndarray], Any]


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, FEATURES))
    return rows, (rows[:, :5].sum(axis=1) + random.normal(0, 0.3, ROWS) > 0).astype(int)


def forest(folder: Path) -> Kind:
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(100, max_depth=8, random_state=0).fit(*data())
    joblib.dump(model, folder / "model.joblib")
    return Kind("sklearn", folder / "model.joblib", model.predict_proba)


def logistic(folder: Path) -> Kind:
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(*data())
    joblib.dump(model, folder / "model.joblib")
    return Kind("sklearn", folder / "model.joblib", model.predict_proba)


def xgboost(folder: Path) -> Kind:
    import xgboost

    rows, labels = data()
    settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    model = xgboost.train(settings, xgboost.DMatrix(rows, labels), 100)
    model.save_model(folder / "model.json")
    return Kind("xgboost", folder / "model.json", model.inplace_predict)


def lightgbm(folder: Path) -> Kind:
    import lightgbm

    rows, labels = data()
    settings = {"objective": "binary", "num_threads": 1, "verbose": -1}
    model = lightgbm.train(settings, lightgbm.Dataset(rows, labels), 100)
    model.save_model(folder / "model.txt")
    return Kind("lightgbm", folder / "model.txt", model.predict)


def catboost(folder: Path) -> Kind:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=100, thread_count=1, verbose=0, allow_writing_files=False).fit(*data())
    model.save_model(str(folder / "model.cbm"))
    return Kind("catboost", folder / "model.cbm", lambda rows: model.predict_proba(rows, thread_count=1))


def statsmodels(folder: Path) -> Kind:
    from statsmodels.regression.linear_model import OLS

    rows, labels = data()
    model = OLS(labels.astype(float), rows).fit()
    model.save(str(folder / "model.pkl"))
    return Kind("statsmodels", folder / "model.pkl", model.predict)


def onnx(folder: Path) -> Kind:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {"a": random.normal(size=(FEATURES, 64)), "b": random.normal(size=(64, 3))}
    nodes = [
        helper.make_node("MatMul", ["X", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["s"]),
        helper.make_node("Softmax", ["s"], ["probabilities"], axis=1),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in (("X", FEATURES), ("probabilities", 3))
    ]
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), settings, providers=["CPUExecutionProvider"])
    return Kind("onnx", folder / "model.onnx", lambda rows: session.run(None, {"X": rows}))


def _network() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(64, activation="relu"), layers.Dense(3, activation="softmax")]
    )


def keras(folder: Path) -> Kind:
    model = _network()
    model.save(folder / "model.keras")
    return Kind("keras", folder / "model.keras", lambda rows: np.asarray(model(rows, training=False)))


def tensorflow(folder: Path) -> Kind:
    import tensorflow as tf

    _network().export(str(folder / "model"), verbose=False)
    loaded = tf.saved_model.load(str(folder / "model"))
    function = loaded.signatures["serving_default"]
    name = next(iter(function.structured_input_signature[1]))
    return Kind("tensorflow", folder / "model", lambda rows: function(**{name: tf.constant(rows)})["output_0"].numpy())


KINDS: dict[str, Callable[[Path], Kind]] = {
    "scikit-learn, forest": forest,
    "scikit-learn, logistic": logistic,
    "XGBoost": xgboost,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "statsmodels": statsmodels,
    "ONNX": onnx,
    "Keras": keras,
    "TensorFlow": tensorflow,
}
RUNTIMES = {
    "scikit-learn, forest": "sklearn",
    "scikit-learn, logistic": "sklearn",
    **{name: name.lower() for name in KINDS if "," not in name},
}


def example() -> str:
    """Rows for the trial of ``--optimize``, as JSON."""
    return json.dumps(data()[0][:32].tolist())
