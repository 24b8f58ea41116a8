"""Models that others made, with the answers that they publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.tensor import NUMPY

MODELS = Path(__file__).resolve().parents[4] / "shared" / "models" / "onnx"

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="the third-party models are not beside the repository")


def opened(name: str) -> Any:
    return load_pipeline(Manifest(Model(name, "1", "model.onnx"), Runtime("onnx")), MODELS / name)


@pytest.mark.parametrize("name", ["triton_simple_addsub", "triton_simple_string"])
def test_tensors_of_numbers_and_of_strings(name: str) -> None:
    case = json.loads((MODELS / name / "case.json").read_text())
    pipe = opened(name)

    assert pipe.batchable
    assert warm_up(pipe).error is None
    inputs = {s.name: np.array(case["input"][s.name], NUMPY[s.datatype]) for s in pipe.contract.inputs}
    answer = pipe.run({name: np.repeat(array, 3, axis=0) for name, array in inputs.items()})

    for output, expected in case["expected"].items():
        assert answer[output].tolist() == expected * 3


def test_an_image_network() -> None:
    pipe = opened("light_squeezenet")
    (spec,) = pipe.contract.inputs
    shape = (1, 3, 224, 224)
    image = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
    expected = onnx.TensorProto.FromString((MODELS / "light_squeezenet" / "output_0.pb").read_bytes())

    assert (spec.shape, pipe.batchable) == ((-1, 3, 224, 224), True)
    np.testing.assert_allclose(
        pipe.run({spec.name: image})["softmaxout_1"], onnx.numpy_helper.to_array(expected), rtol=1e-3, atol=1e-4
    )


def test_an_old_network_of_digits() -> None:
    pipe = opened("ort_examples_mnist")

    assert [(s.name, s.shape) for s in pipe.contract.inputs] == [("Input3", (-1, 1, 28, 28))]
    assert pipe.run({"Input3": np.zeros((1, 1, 28, 28), np.float32)})["Plus214_Output_0"].shape == (1, 10)
    assert pipe.run({"Input3": np.zeros((3, 1, 28, 28), np.float32)})["Plus214_Output_0"].shape == (3, 10)
