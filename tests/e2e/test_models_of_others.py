"""ONNX and scikit-learn models that others made, packaged, and asked for the answers that are known of them.

What others made in formats that no runtime takes is refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from e2e.tensors import Tensors, infer

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)"),
]

Image = Callable[..., str]


def case(name: str) -> tuple[Path, dict[str, Any]]:
    """A case's artifact, and what is known of it."""
    told = json.loads((MODELS / name / "case.json").read_text())
    return MODELS / name / told["artifact"], told


def require_equal(address: str, inputs: Tensors, expected: Tensors, **tolerances: float) -> None:
    """As the Open Inference protocol has it, in JSON and in bytes, together and each row alone."""
    for binary in (False, True):
        for rows in (slice(None), *(slice(at, at + 1) for at in range(len(next(iter(inputs.values())))))):
            asked = {name: array[rows] for name, array in inputs.items()}
            answer = infer(address, "case", asked, binary=binary)
            assert sorted(answer) == sorted(expected)
            for name, array in expected.items():
                if array.dtype == object:
                    assert answer[name].tolist() == array[rows].tolist()
                else:
                    np.testing.assert_allclose(answer[name], array[rows], **tolerances)


@pytest.mark.parametrize(
    "name, dtype", [("onnx/triton_simple_addsub", np.int32), ("onnx/triton_simple_string", object)]
)
def test_the_examples_of_triton(mbuild: Mbuild, image: Image, client: Any, name: str, dtype: Any) -> None:
    """Of numbers, and of numbers as text."""
    model, told = case(name)
    packaged = mbuild("package", model, "--name", "case", "-t", image(), "--json").json
    inputs = {key: np.array(value, dtype) for key, value in told["input"].items()}
    expected = {key: np.array(value, dtype) for key, value in told["expected"].items()}
    with running(client, packaged["reference"]) as (_, address):
        answer = ask(address, "/predict", [{key: value[0] for key, value in told["input"].items()}])
        assert answer == (200, [{key: value[0] for key, value in told["expected"].items()}])
        require_equal(address, inputs, expected)
        # Backwards it is another row, with an answer as well known.
        two = [
            {key: np.concatenate([array, array[:, ::-1]]) for key, array in side.items()} for side in (inputs, expected)
        ]
        require_equal(address, *two)


def test_an_image_network(mbuild: Mbuild, image: Image, client: Any) -> None:
    model, told = case("onnx/light_squeezenet")
    tensor = onnx.TensorProto.FromString((model.parent / told["expected_file"]).read_bytes())
    expected = onnx.numpy_helper.to_array(tensor)
    shape = (1, 3, 224, 224)
    pixels = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
    near = {"rtol": told["rtol"], "atol": told["atol"]}
    packaged = mbuild("package", model, "--name", "case", "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        require_equal(address, {"data_0": pixels}, {"softmaxout_1": expected}, **near)
        status, answer = ask(address, "/predict", {"data_0": pixels[0].tolist()})
        assert status == 200
        np.testing.assert_allclose(answer["softmaxout_1"], expected[0], **near)
        # Two rows, although the file was made for one.
        require_equal(address, {"data_0": np.repeat(pixels, 2, 0)}, {"softmaxout_1": np.repeat(expected, 2, 0)}, **near)


def test_an_old_network_of_digits(mbuild: Mbuild, image: Image, client: Any) -> None:
    """Nobody published its answers: it is held against onnxruntime itself, row by row."""
    model, _ = case("onnx/ort_examples_mnist")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    digits = np.random.default_rng(0).uniform(0, 255, (3, 1, 28, 28)).astype(np.float32)
    expected = np.concatenate([session.run(None, {"Input3": digit[None]})[0] for digit in digits])
    packaged = mbuild("package", model, "--name", "case", "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        require_equal(address, {"Input3": digits}, {"Plus214_Output_0": expected}, rtol=1e-4, atol=1e-3)


def test_a_network_of_three_formats_as_onnx(mbuild: Mbuild, image: Image, client: Any) -> None:
    """Its outputs are numbered here, and named in TensorFlow, which answered what is known."""
    folder = MODELS / "multi_format" / "basic_pitch"
    published = np.load(folder / "tf_v1_session_io.npz")
    names = {"StatefulPartitionedCall:0": "contour", "StatefulPartitionedCall:1": "note"}
    names["StatefulPartitionedCall:2"] = "onset"
    packaged = mbuild("package", folder / "nmp.onnx", "--name", "case", "-t", image(), "--json").json
    inputs = {"serving_default_input_2:0": published["x"]}
    with running(client, packaged["reference"]) as (_, address):
        near = json.loads((folder / "case.json").read_text())["atol"]
        require_equal(address, inputs, {key: published[name] for key, name in names.items()}, atol=near)


def test_a_classifier_of_iris(mbuild: Mbuild, image: Image, client: Any) -> None:
    model, told = case("sklearn/kserve_svc_joblib")
    packaged = mbuild("package", model, "--name", "case", "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    assert "scikit-learn==1.3.2" in json.loads(labels["mbuild.requirements"])  # which wrote it
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/v1/models/case:predict", {"instances": told["input"]})
        assert (status, [row["label"] for row in answer["predictions"]]) == (200, told["expected"])
        flowers = np.array([*told["input"], [6.0, 2.9, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]])
        kinds = [*told["expected"], 1, 2]
        status, answer = ask(address, "/predict", flowers.tolist())
        assert (status, [row["label"] for row in answer]) == (200, kinds)
        for binary in (False, True):
            tensors = infer(address, "case", {"X": flowers}, binary=binary)
            assert tensors["label"].tolist() == kinds
            np.testing.assert_array_equal(tensors["probabilities"], [row["probabilities"] for row in answer])
        status, problem = ask(address, "/predict", [[None, 3.5, 1.4, 0.2]])
        assert (status, problem["detail"]) == (400, "input 'X': the model takes no missing or infinite values")


def test_a_pipeline_of_columns(mbuild: Mbuild, image: Image, client: Any) -> None:
    model, told = case("sklearn/kserve_mixedtype")
    (expected,) = told["expected"]
    packaged = mbuild("package", model, "--name", "case", "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    assert "scikit-learn==1.3.0" in json.loads(labels["mbuild.requirements"])  # which wrote it
    row = {name: value for name, (value,) in told["input"][0].items()}
    with running(client, packaged["reference"]) as (_, address):
        # KServe's own call has lists of one.
        for instances in (told["input"], [row]):
            status, answer = ask(address, "/v1/models/case:predict", {"instances": instances})
            assert (status, answer["predictions"]) == (200, [pytest.approx(expected, abs=1e-9)])
        other = {**row, "MSZoning": "nowhere", "SaleType": None, "LotArea": None}
        status, answer = ask(address, "/predict", [row, other])
        assert status == 200
        prices = [item["prediction"] for item in answer]
        assert prices == [pytest.approx(expected, abs=1e-9), ask(address, "/predict", other)[1]["prediction"]]
        kinds = {str: object, int: np.int64}
        columns = {name: np.array([value], kinds[type(value)]) for name, value in row.items()}
        require_equal(address, columns, {"prediction": np.array([expected])}, atol=1e-9)


REFUSED = {
    "caffe/mtcnn_det1": "a Caffe model",
    "h2o_mojo/h2o3_gbm/model.zip": "an H2O MOJO",
    "mleap/airbnb_rf/bundle.zip": "an MLeap bundle",
    "mleap/min_max_scaler/bundle.zip": "an MLeap bundle",
    "pfa/hipparcos_kmeans_trees/model.pfa": "a PFA document",
    "pmml/cpmml_housinggbtclassifier_pca/model.xml": "a PMML document",
    "pmml/cpmml_irisrandomforest/model.xml": "a PMML document",
    "pmml/dmg_naive_bayes/model.xml": "a PMML document",
    "pmml/kserve_iris/model.pmml": "a PMML document",
}
ASKED = {
    "multi_format/basic_pitch",
    "onnx/light_squeezenet",
    "onnx/ort_examples_mnist",
    "onnx/triton_simple_addsub",
    "onnx/triton_simple_string",
    "sklearn/kserve_mixedtype",
    "sklearn/kserve_svc_joblib",
}
ELSEWHERE = {"catboost", "lightgbm", "xgboost", "tf_savedmodel", "tflite"}
"""Kinds that test_booster_models.py and test_tensorflow_models.py ask."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_runtime_takes(mbuild: Mbuild, name: str) -> None:
    outcome = mbuild.fails(11, "package", MODELS / name, "-t", "refused:1")
    assert f"is {REFUSED[name]}" in outcome.message


def test_none_is_left_out() -> None:
    found = {str(file.parent.relative_to(MODELS)) for file in MODELS.rglob("case.json")}
    refused = {"/".join(name.split("/")[:2]) for name in REFUSED}
    assert {name for name in found if name.partition("/")[0] not in ELSEWHERE} == ASKED | refused
