"""``--optimize`` of each engine that has another form, through the command and from the image.

scikit-learn's is in test_optimise.py, PyTorch's in test_pytorch_models.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import make_sample, run_in
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 5)).astype(np.float32)
Y = (X @ [1, -2, 0.5, 0, 1] + RANDOM.normal(size=300) > 0).astype(int)
ASKED = X[:20].copy()
ASKED[3, 1] = np.nan
WEIGHTS = [[0.5, -1.0], [2.0, 0.25]]
PAIRS = [[1.0, 2.0], [-3.0, 0.5], [0.25, 0.0]]
SAVED_MODEL = f"""
import sys
import tensorflow as tf

module = tf.Module()
module.weights = tf.Variable({WEIGHTS})

def score(x):
    scores = tf.matmul(x, module.weights)
    return {{"scores": scores, "best": tf.argmax(scores, axis=1)}}

module.score = tf.function(score, input_signature=[tf.TensorSpec([None, 2], name="x")])
tf.saved_model.save(module, sys.argv[1], {{"serving_default": module.score}})
"""


def xgboost(path: Path) -> np.ndarray:
    import xgboost

    settings = {"objective": "binary:logistic", "max_depth": 3, "seed": 0}
    model = xgboost.train(settings, xgboost.DMatrix(X, Y), 40)
    model.save_model(path / "m.json")
    return model.inplace_predict(ASKED)


def catboost(path: Path) -> np.ndarray:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=40, depth=4, verbose=False, allow_writing_files=False).fit(X, Y)
    model.save_model(str(path / "m.cbm"))
    return model.predict_proba(ASKED)[:, 1]


def lightgbm(path: Path) -> np.ndarray:
    import lightgbm

    settings = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(X, Y), 40)
    model.save_model(path / "m.txt")
    return model.predict(ASKED)


def package(mbuild: Mbuild, image: Image, model: Path, examples: list[Any], folder: Path) -> dict[str, Any]:
    (folder / "asked.json").write_text(json.dumps(examples))
    options = ("--optimize", "--example", folder / "asked.json", "-t", image(), "--json")
    packaged: dict[str, Any] = mbuild("package", model, *options).json
    return packaged


def require_graph(client: Any, packaged: dict[str, Any], framework: str) -> None:
    """The image has the graph, and nothing of the framework."""
    assert packaged["optimisation"]["kept"].startswith("ONNX"), packaged["optimisation"]
    labels = client.images.get(packaged["reference"]).labels
    assert labels["mbuild.runtime"] == "onnx"
    assert not [text for text in json.loads(labels["mbuild.requirements"]) if text.startswith(framework)]


def numbers(rows: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in rows]


@pytest.mark.parametrize("make, name", [(xgboost, "m.json"), (catboost, "m.cbm")])
def test_boosted_trees_become_a_graph(
    mbuild: Mbuild, image: Image, client: Any, tmp_path: Path, make: Callable[[Path], np.ndarray], name: str
) -> None:
    chances = make(tmp_path)
    rows = numbers(ASKED)
    packaged = package(mbuild, image, tmp_path / name, rows, tmp_path)
    require_graph(client, packaged, make.__name__)
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", rows)
        assert status == 200
        np.testing.assert_allclose([row["probabilities"][1] for row in answer], chances, atol=1e-5)
        assert [row["label"] for row in answer] == (chances > 0.5).astype(int).tolist()
        assert [ask(address, "/predict", [row])[1][0] for row in rows[:4]] == answer[:4]


def test_trees_of_lightgbm_are_quick_as_they_are(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """Its graph is made and answers the same; which is quicker hangs on the machine."""
    chances = lightgbm(tmp_path)
    rows = numbers(ASKED)
    packaged = package(mbuild, image, tmp_path / "m.txt", rows, tmp_path)
    (tried,) = packaged["optimisation"]["tried"]
    assert tried["reason"].partition(":")[0] in {"", "it is not quicker"}
    assert tried["checked"]["rows"] > 200
    runtime = client.images.get(packaged["reference"]).labels["mbuild.runtime"]
    assert runtime == ("lightgbm" if tried["reason"] else "onnx")
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", rows)
        assert status == 200
        np.testing.assert_allclose([row["probabilities"][1] for row in answer], chances, atol=1e-5)


def test_a_graph_is_made_over_once(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """Hundreds of constants, which onnxruntime would fold at each start."""
    import onnx
    from onnx import TensorProto, helper

    count = 600
    one = [onnx.numpy_helper.from_array(np.ones((1, 2), np.float32), "c0")]
    nodes = [helper.make_node("Add", [f"c{place}", "c0"], [f"c{place + 1}"]) for place in range(count)]
    nodes.append(helper.make_node("Add", ["x", f"c{count}"], ["y"]))
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", tensors[:1], tensors[1:], one)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    packaged = package(mbuild, image, tmp_path / "m.onnx", [{"x": row} for row in PAIRS], tmp_path)
    assert packaged["optimisation"]["kept"] == "the optimised graph", packaged["optimisation"]
    with running(client, packaged["reference"]) as (_, address):
        expected = [{"y": [value + count + 1 for value in row]} for row in PAIRS]
        assert ask(address, "/predict", [{"x": row} for row in PAIRS]) == (200, expected)


def test_a_saved_model_becomes_a_graph(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    done = run_in("tensorflow", "-c", SAVED_MODEL, str(tmp_path / "saved"))
    assert done.returncode == 0, done.stderr
    rows = [{"x": pair} for pair in PAIRS]
    scores = np.array(PAIRS) @ WEIGHTS
    expected = [
        {"scores": row, "best": best} for row, best in zip(scores.tolist(), scores.argmax(axis=1).tolist(), strict=True)
    ]
    packaged = package(mbuild, image, tmp_path / "saved", rows, tmp_path)
    require_graph(client, packaged, "tensorflow")
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", rows)
        assert (status, differs(answer, expected, tolerance=1e-6)) == (200, "")
        assert ask(address, "/predict", rows[0]) == (200, answer[0])
        status, problem = ask(address, "/predict", {"x": [None, 1.0]})
        assert (status, "missing or infinite" in problem["detail"]) == (400, True)


def test_keras_becomes_a_graph(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    sample = make_sample("keras", tmp_path)
    packaged = package(mbuild, image, sample.path, sample.request, tmp_path)
    require_graph(client, packaged, "tensorflow")
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", sample.request)
        assert (status, differs(answer, sample.expected, tolerance=1e-5)) == (200, "")
        assert [ask(address, "/predict", row)[1] for row in sample.request] == answer
