"""ONNX: every datatype, maps and sequences flattened, optional and external data, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.onnx.engine import load
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from runtime.graphs import identity, save, tensor

T = TensorProto

KINDS = {
    "BOOL": (T.BOOL, np.array([[True, False]])),
    "UINT8": (T.UINT8, np.array([[0, 255]], np.uint8)),
    "UINT16": (T.UINT16, np.array([[0, 65535]], np.uint16)),
    "UINT32": (T.UINT32, np.array([[0, 2**32 - 1]], np.uint32)),
    "UINT64": (T.UINT64, np.array([[0, 2**64 - 1]], np.uint64)),
    "INT8": (T.INT8, np.array([[-128, 127]], np.int8)),
    "INT16": (T.INT16, np.array([[-32768, 32767]], np.int16)),
    "INT32": (T.INT32, np.array([[-(2**31), 2**31 - 1]], np.int32)),
    "INT64": (T.INT64, np.array([[-(2**63), 2**63 - 1]], np.int64)),
    "FP16": (T.FLOAT16, np.array([[0.5, np.inf]], np.float16)),
    "FP32": (T.FLOAT, np.array([[0.1, np.nan]], np.float32)),
    "FP64": (T.DOUBLE, np.array([[0.1, -np.inf]], np.float64)),
    "BYTES": (T.STRING, np.array([["é", ""]], object)),
}


def opened(path: Path, **options: Any) -> Any:
    return load(path, EngineOptions(**options))


@pytest.mark.parametrize("datatype", KINDS)
def test_every_datatype(tmp_path: Path, datatype: str) -> None:
    kind, array = KINDS[datatype]
    engine = opened(identity(tmp_path / "m.onnx", "n", 2, kind=kind))

    assert engine.signature().inputs == (TensorSpec("x", datatype, (-1, 2)),)
    assert engine.signature().outputs == (TensorSpec("y", datatype, (-1, 2)),)
    answer = engine.predict({"x": array})["y"]
    assert answer.dtype == array.dtype
    np.testing.assert_array_equal(answer, array)


def test_bfloat16_is_spoken_as_fp32(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=T.FLOAT), helper.make_node("Identity", ["x"], ["z"])]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [tensor("x", T.BFLOAT16, "n")],
        [tensor("y", T.FLOAT, "n"), tensor("z", T.BFLOAT16, "n")],
    )
    engine = opened(path)

    assert [spec.datatype for spec in (*engine.signature().inputs, *engine.signature().outputs)] == ["FP32"] * 3
    answer = engine.predict({"x": np.array([1.0, 1.00390625, 1.01171875, np.nan, np.inf], np.float32)})
    for name in ("y", "z"):
        assert answer[name].dtype == np.float32
        np.testing.assert_array_equal(answer[name], np.array([1, 1, 1.015625, np.nan, np.inf], np.float32))


def test_bytes_are_text_and_wrong_utf8_is_told(tmp_path: Path) -> None:
    engine = opened(identity(tmp_path / "m.onnx", "n", kind=T.STRING))

    assert engine.predict({"x": np.array([b"\xc3\xa9", "b"], object)})["y"].tolist() == ["é", "b"]
    with pytest.raises(InvalidInput, match="'x' is not UTF-8") as caught:
        engine.predict({"x": np.array([b"\xff"], object)})
    assert caught.value.field == "x"


def classifier(path: Path, keys: dict[str, Any]) -> Path:
    """Normalizes its rows and says them as a map of class to probability."""
    nodes = [helper.make_node("ZipMap", ["x"], ["p"], domain="ai.onnx.ml", **keys)]
    key = T.STRING if "classlabels_strings" in keys else T.INT64
    value = helper.make_tensor_type_proto(T.FLOAT, [])
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(key, value))
    return save(path, nodes, [tensor("x", T.FLOAT, "n", 2)], [helper.make_value_info("p", kind)])


def test_maps_become_an_array_and_labels(tmp_path: Path) -> None:
    engine = opened(classifier(tmp_path / "m.onnx", {"classlabels_int64s": [7, 3]}))

    assert engine.signature().outputs == (TensorSpec("p", "FP32", (-1, -1)),)
    answer = engine.predict({"x": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)})["p"]
    labels = engine.signature().outputs[0].labels
    assert sorted(labels) == ["3", "7"]
    assert answer[:, labels.index("7")].tolist() == [0.25, 0.5]
    assert engine.signature().outputs[0].shape == (-1, 2)


def test_declared_labels_give_the_order(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", {"classlabels_strings": ["yes", "no"]})
    declared = Signature(outputs=(TensorSpec("p", "FP32", (-1, 2), labels=("yes", "no")),))

    engine = opened(path, signature=declared)

    assert engine.predict({"x": np.array([[0.25, 0.75]], np.float32)})["p"].tolist() == [[0.25, 0.75]]
    assert engine.signature().outputs == declared.outputs


def test_sequences_of_tensors_of_one_shape(tmp_path: Path) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(T.FLOAT, None))
    nodes = [helper.make_node("SplitToSequence", ["x"], ["s"], axis=0, keepdims=0)]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", T.FLOAT, "n", 2)], [helper.make_value_info("s", kind)])

    answer = opened(path).predict({"x": np.array([[1, 2], [3, 4]], np.float32)})

    assert answer["s"].tolist() == [[1, 2], [3, 4]]


def test_a_default_makes_an_input_optional(tmp_path: Path) -> None:
    bias = onnx.numpy_helper.from_array(np.array([10.0], np.float32), "bias")
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Add", ["x", "bias"], ["y"])],
        [tensor("x", T.FLOAT, "n", 1), tensor("bias", T.FLOAT, 1)],
        [tensor("y", T.FLOAT, "n", 1)],
        [bias],
    )
    engine = opened(path)

    assert engine.signature().inputs[1] == TensorSpec("bias", "FP32", (1,), optional=True)
    x = np.array([[1.0]], np.float32)
    assert engine.predict({"x": x})["y"].tolist() == [[11]]
    assert engine.predict({"x": x, "bias": np.array([2.0], np.float32)})["y"].tolist() == [[3]]


def test_weights_of_old_files_are_no_inputs(tmp_path: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.array([10.0], np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [tensor("x", T.FLOAT, "n", 1), tensor("w", T.FLOAT, 1)],
        [tensor("y", T.FLOAT, "n", 1)],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3), tmp_path / "m.onnx")

    assert [spec.name for spec in opened(tmp_path / "m.onnx").signature().inputs] == ["x"]


def test_external_data_beside_the_file(tmp_path: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.full((1, 2), 10, np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", [tensor("x", T.FLOAT, "n", 2)], [tensor("y", T.FLOAT, "n", 2)],
        [weight],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").is_file()

    assert opened(tmp_path / "m.onnx").predict({"x": np.ones((1, 2), np.float32)})["y"].tolist() == [[11, 11]]


@pytest.mark.parametrize(
    ("shapes", "batched"),
    [
        ([("n", 2)], True),
        ([(None, 2)], True),
        ([("n", 2), ("n", 3)], True),
        ([("n", 2), ("m", 3)], False),
        ([(1, 2)], False),
        ([("n", 2), ()], False),
    ],
)
def test_when_the_leading_size_counts_rows(tmp_path: Path, shapes: list[tuple[Any, ...]], batched: bool) -> None:
    names = [f"x{i}" for i in range(len(shapes))]
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Identity", [name], [f"y{name}"]) for name in names],
        [tensor(name, T.FLOAT, *shape) for name, shape in zip(names, shapes, strict=True)],
        [tensor(f"y{name}", T.FLOAT, *shape) for name, shape in zip(names, shapes, strict=True)],
    )

    assert opened(path).batched is batched


def test_sizes_of_zero(tmp_path: Path) -> None:
    engine = opened(identity(tmp_path / "m.onnx", "n", "m"))

    assert engine.predict({"x": np.zeros((2, 0), np.float32)})["y"].shape == (2, 0)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08:\x02\x01"])
def test_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)

    with pytest.raises(LoadError, match=r"onnxruntime \d.* cannot load m.onnx: "):
        opened(path)


def test_an_operator_that_is_not_there(tmp_path: Path) -> None:
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Frobnicate", ["x"], ["y"])],
        [tensor("x", T.FLOAT, 1)],
        [tensor("y", T.FLOAT, 1)],
    )

    with pytest.raises(LoadError, match="Frobnicate"):
        opened(path)


def test_an_input_that_no_protocol_carries(tmp_path: Path) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(T.FLOAT, None))
    nodes = [helper.make_node("SequenceLength", ["s"], ["n"])]
    path = save(tmp_path / "m.onnx", nodes, [helper.make_value_info("s", kind)], [tensor("n", T.INT64)])

    with pytest.raises(LoadError, match="'s' is a seq") as caught:
        opened(path)
    assert "tensors" in caught.value.hint


@pytest.mark.parametrize(("size", "options", "threads"), [(0, {}, 1), (5 << 20, {}, 2), (0, {"threads": 2}, 2)])
def test_threads_by_size(tmp_path: Path, size: int, options: dict[str, Any], threads: int) -> None:
    path = identity(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").write_bytes(bytes(size))

    engine = opened(path, threads=2, options=options)

    assert engine.model.get_session_options().intra_op_num_threads == threads
