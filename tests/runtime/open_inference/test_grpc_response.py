"""Responses are, byte for byte, what protobuf would write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.errors import PredictionFailed
from modelbuild_runtime.grpc.messages import load
from modelbuild_runtime.open_inference import binary_tensor
from modelbuild_runtime.open_inference.grpc_response import ResponseWriter
from modelbuild_runtime.tensor import DATATYPES, NUMPY

MESSAGES = load("open_inference")


def written(outputs: list[tuple[str, np.ndarray]], identity: str = "", version: str = "1") -> Any:
    message = MESSAGES.ModelInferResponse(model_name="m", model_version=version, id=identity)
    for name, array in outputs:
        datatype = "BYTES" if array.dtype.kind in "OSU" else DATATYPES[array.dtype]
        message.outputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_output_contents.append(bytes(binary_tensor.write(array)))
    return message.SerializeToString()


ARRAYS = [
    *[np.arange(6).reshape(2, 3).astype(dtype) for datatype, dtype in NUMPY.items() if datatype != "BYTES"],
    np.array([["a", None], [b"\xff", "é" * 100]], object),
    np.array(["one", "three"]),
    np.arange(40, dtype=np.float64).reshape(4, 10)[::2, ::3],
    np.zeros((0, 3), np.float32),
    np.array(1.5),
    np.arange(20_000, dtype=np.int64).reshape(-1, 2),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[f"{array.dtype}{array.shape}" for array in ARRAYS])
def test_one_output_first_and_again(array: np.ndarray):
    writer = ResponseWriter("m", "1")
    for identity in ("", "7", "é" * 90, ""):
        assert writer.write(identity, [("y", array)]) == written([("y", array)], identity)


def test_several_outputs_of_one_writer():
    writer = ResponseWriter("m", "")
    for size in range(1, 300):
        outputs = [("a", np.zeros(size, np.uint8)), ("b", np.ones((1, 1 + size % 3), np.float32)), ("c", ARRAYS[-5])]
        assert writer.write("", outputs) == written(outputs, version="")


def test_parameters_go_before_the_outputs():
    asked = MESSAGES.ModelInferResponse()
    asked.parameters["last"].bool_param = True
    answer = MESSAGES.ModelInferResponse.FromString(
        ResponseWriter("m", "1").write("7", [("y", ARRAYS[0])], asked.SerializeToString())
    )
    assert answer.parameters["last"].bool_param
    assert (answer.id, len(answer.outputs), len(answer.raw_output_contents)) == ("7", 1, 1)


def test_arrays_of_other_types_become_one_of_ours():
    writer = ResponseWriter("m", "1")
    swapped = np.array([1, 256], ">i4")
    days = np.array(["2026-01-02"], "M8[D]")
    for _ in range(2):
        assert writer.write("", [("y", swapped)]) == written([("y", swapped.astype(np.int32))])
        assert writer.write("", [("y", days)]) == written([("y", np.array(["2026-01-02"]))])
        with pytest.raises(PredictionFailed, match="complex"):
            writer.write("", [("y", np.array([1j]))])
