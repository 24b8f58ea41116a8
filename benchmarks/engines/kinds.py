"""One model a kind, of thirty numbers or a text in and classes or a number out, and how its framework alone is asked.

Imported in the environment of each kind, and by peers for the models that they serve.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

FEATURES = 30
ROWS = 1000


class Kind(NamedTuple):
    """``plain`` takes rows, an array or a list of texts, and makes of the framework's quickest documented call the
    outputs that the engine gives. ``rows`` are those that are asked, where they are not ``data()``, and ``dtype`` is
    what ``plain`` takes of them; ``options`` are the engine's.
    """

    runtime: str
    path: Path
    plain: Callable[[Any], Any]
    rows: Any = None
    options: Mapping[str, Any] = MappingProxyType({})
    dtype: str = "float32"


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, FEATURES))
    return rows, (rows[:, :5].sum(axis=1) + random.normal(0, 0.3, ROWS) > 0).astype(int)


FILM = ("the", "film", "was", "great", "dull", "and", "not", "a", "bit", "of")


def texts(words: tuple[str, ...] = FILM) -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(words, 12)) for _ in range(64)]


def _most_probable(model: Any) -> Callable[[Any], Any]:
    """Classes and probabilities of one call: both methods would take twice as long."""

    def plain(rows: np.ndarray) -> Any:
        probabilities = model.predict_proba(rows)
        return model.classes_.take(probabilities.argmax(axis=1)), probabilities

    return plain


def forest(folder: Path) -> Kind:
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(100, max_depth=8, random_state=0).fit(*data())
    joblib.dump(model, folder / "model.joblib")
    return Kind("sklearn", folder / "model.joblib", _most_probable(model), dtype="float64")


def logistic(folder: Path) -> Kind:
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(*data())
    joblib.dump(model, folder / "model.joblib")
    return Kind("sklearn", folder / "model.joblib", _most_probable(model), dtype="float64")


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
    return Kind("lightgbm", folder / "model.txt", model.predict, dtype="float64")


def catboost(folder: Path) -> Kind:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=100, thread_count=1, verbose=0, allow_writing_files=False).fit(*data())
    model.save_model(str(folder / "model.cbm"))

    def plain(rows: np.ndarray) -> Any:
        probabilities = model.predict_proba(rows, thread_count=1)
        return model.classes_.take(probabilities.argmax(axis=1)), probabilities

    return Kind("catboost", folder / "model.cbm", plain)


def statsmodels(folder: Path) -> Kind:
    from statsmodels.regression.linear_model import OLS

    rows, labels = data()
    model = OLS(labels.astype(float), rows).fit()
    model.save(str(folder / "model.pkl"))
    return Kind("statsmodels", folder / "model.pkl", model.predict, dtype="float64")


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
    return Kind("onnx", folder / "model.onnx", lambda rows: session.run(None, {"X": rows})[0])


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


def pytorch(folder: Path) -> Kind:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = (torch.nn.Linear(FEATURES, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3), torch.nn.Softmax(1))
    model = torch.nn.Sequential(*layers).eval()
    rows = {0: torch.export.Dim("rows")}
    program = torch.export.export(model, (torch.zeros(2, FEATURES),), dynamic_shapes=(rows,))
    torch.export.save(program, folder / "model.pt2")

    def plain(array: np.ndarray) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(array)).numpy()

    return Kind("pytorch", folder / "model.pt2", plain)


def jax(folder: Path) -> Kind:
    import jax
    from jax import export
    from jax import numpy as jnp

    random = np.random.default_rng(0)
    one, other = (random.normal(size=size).astype(np.float32) for size in ((FEATURES, 64), (64, 3)))
    function = jax.jit(lambda x: jax.nn.softmax(jax.nn.relu(x @ one) @ other))
    (rows,) = export.symbolic_shape("rows")
    made = export.export(function, platforms=["cpu"])(jax.ShapeDtypeStruct((rows, FEATURES), jnp.float32))
    (folder / "model.jax").write_bytes(made.serialize())
    return Kind("jax", folder / "model.jax", lambda array: np.asarray(function(array)))


def tflite(folder: Path) -> Kind:
    """The sample's model of three numbers: making a larger one takes TensorFlow."""
    from ai_edge_litert.interpreter import Interpreter

    from modelbuild_runtime.engines.tflite.sample import make

    path = make(folder).path
    run = Interpreter(str(path), num_threads=1).get_signature_runner()
    return Kind("tflite", path, lambda rows: run(features=rows)["probabilities"], data()[0][:, :3])


def transformers(folder: Path) -> Kind:
    """The sample's tiny BERT: what is around a model shows, and not how large it is."""
    import transformers

    from modelbuild_runtime.engines.transformers.sample import make

    path = make(folder).path
    run = transformers.pipeline("text-classification", model=str(path), top_k=None, device="cpu")
    options = {"task": "text-classification"}
    return Kind("transformers", path, lambda rows: run(rows, batch_size=len(rows)), texts(), options)


def spacy(folder: Path) -> Kind:
    import spacy

    from modelbuild_runtime.engines.spacy.sample import make

    path = make(folder).path
    nlp = spacy.load(path)

    def told(spans: Any) -> str:
        return json.dumps([{"text": span.text, "start": span.start_char, "end": span.end_char} for span in spans])

    def plain(rows: list[str]) -> Any:
        docs = [nlp(rows[0])] if len(rows) == 1 else nlp.pipe(rows)
        return [(doc.cats, told(doc.ents), told(doc.sents)) for doc in docs]

    return Kind("spacy", path, plain, texts())


def fasttext(folder: Path) -> Kind:
    """The sample's few words: answers take as long whatever they are."""
    import fasttext

    from modelbuild_runtime.engines.fasttext.sample import WORDS, make

    path = make(folder).path
    model = fasttext.load_model(str(path))
    places = {label: place for place, label in enumerate(model.labels)}

    def plain(rows: list[str]) -> Any:
        """fastText answers the most probable label first; the engine, by label."""
        found = model.predict(rows, k=-1)
        probabilities = np.zeros((len(rows), len(places)), np.float32)
        for row, (labels, values) in enumerate(zip(*found, strict=True)):
            probabilities[row, [places[label] for label in labels]] = values
        return [labels[0] for labels in found[0]], probabilities

    return Kind("fasttext", path, plain, texts(tuple(WORDS)))


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
    "TFLite": tflite,
    "PyTorch": pytorch,
    "JAX": jax,
    "Transformers": transformers,
    "spaCy": spacy,
    "fastText": fasttext,
}
RUNTIMES = {
    "scikit-learn, forest": "sklearn",
    "scikit-learn, logistic": "sklearn",
    **{name: name.lower() for name in KINDS if "," not in name},
}
