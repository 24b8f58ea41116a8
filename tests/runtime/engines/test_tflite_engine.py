"""TensorFlow Lite: datatypes, free and fixed sizes, signatures, strings, state, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.tflite.engine import load
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.signature import Signature, TensorSpec
from runtime.lite import Kind, Operator, model, reshaped, tensor

MODELS = Path(__file__).resolve().parents[4] / "shared" / "models"
others = pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")

KINDS = {
    "FP32": (Kind.FLOAT32, np.array([[0.1, np.nan]], np.float32)),
    "INT8": (Kind.INT8, np.array([[-128, 127]], np.int8)),
    "UINT8": (Kind.UINT8, np.array([[0, 255]], np.uint8)),
    "INT16": (Kind.INT16, np.array([[-(2**15), 2**15 - 1]], np.int16)),
    "INT32": (Kind.INT32, np.array([[-(2**31), 2**31 - 1]], np.int32)),
    "INT64": (Kind.INT64, np.array([[-(2**63), 2**63 - 1]], np.int64)),
    "BOOL": (Kind.BOOL, np.array([[True, False]])),
    "FP64": (Kind.FLOAT64, np.array([[0.1, -np.inf]], np.float64)),
}


def opened(folder: Path, data: bytes, **options: Any) -> Any:
    path = folder / "m.tflite"
    path.write_bytes(data)
    return load(path, EngineOptions(**options))


@pytest.mark.parametrize("datatype", KINDS)
def test_every_datatype(tmp_path: Path, datatype: str) -> None:
    kind, array = KINDS[datatype]
    engine = opened(tmp_path, reshaped(kind))

    assert engine.signature().inputs == (TensorSpec("x", datatype, (-1, 2)),)
    assert engine.signature().outputs == (TensorSpec("y", datatype, (-1, 2)),)
    answer = engine.predict({"x": array})["y"]
    assert answer.dtype == array.dtype
    np.testing.assert_array_equal(answer, array)


def test_text_is_bytes(tmp_path: Path) -> None:
    engine = opened(tmp_path, reshaped(Kind.STRING))

    assert engine.signature().inputs[0].datatype == "BYTES"
    answer = engine.predict({"x": np.array([["é", b"\xff"], ["", "b"]], object)})["y"]
    assert answer.tolist() == [["é".encode(), b"\xff"], [b"", b"b"]]


def test_sizes_follow_the_request(tmp_path: Path) -> None:
    engine = opened(tmp_path, reshaped())

    for rows in (1, 3, 2, 2, 1):
        x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
        assert engine.predict({"x": x})["y"].tolist() == x.tolist()


def test_an_answer_is_not_changed_by_the_next(tmp_path: Path) -> None:
    engine = opened(tmp_path, reshaped())

    first = engine.predict({"x": np.ones((1, 2), np.float32)})["y"]
    engine.predict({"x": np.zeros((1, 2), np.float32)})

    assert first.tolist() == [[1, 1]]


def test_a_model_of_one_row_takes_more(tmp_path: Path) -> None:
    """Most files are made for one row: several are several runs."""
    engine = opened(tmp_path, reshaped(shape=(1, 2)))

    assert engine.signature().inputs[0].shape == (-1, 2)
    x = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert engine.predict({"x": x})["y"].tolist() == x.tolist()


def test_other_sizes_are_those_of_the_model(tmp_path: Path) -> None:
    engine = opened(tmp_path, reshaped(shape=(3, 2)))

    assert engine.signature().inputs == (TensorSpec("x", "FP32", (3, 2)),)


def test_a_signature_names_inputs_and_outputs(tmp_path: Path) -> None:
    engine = opened(tmp_path, reshaped(signatures={"predict": (["features"], ["score"])}))

    assert [spec.name for spec in (*engine.signature().inputs, *engine.signature().outputs)] == ["features", "score"]
    assert engine.predict({"features": np.ones((1, 2), np.float32)})["score"].tolist() == [[1, 1]]


def test_the_signature_of_another_graph(tmp_path: Path) -> None:
    engine = opened(tmp_path, reshaped(signatures={"serving_default": (["a"], ["b"])}, graphs=2))

    for rows in (1, 2):
        assert engine.predict({"a": np.ones((rows, 2), np.float32)})["b"].tolist() == [[1, 1]] * rows


def test_of_several_signatures_the_serving_default(tmp_path: Path) -> None:
    both = {"train": (["t"], ["loss"]), "serving_default": (["x"], ["y"])}
    assert opened(tmp_path, reshaped(signatures=both)).signature().inputs[0].name == "x"

    with pytest.raises(LoadError, match="signatures infer, train, and none is called 'serving_default'"):
        opened(tmp_path, reshaped(signatures={"train": both["train"], "infer": (["x"], ["y"])}))


def test_declared_labels_are_kept(tmp_path: Path) -> None:
    declared = Signature(outputs=(TensorSpec("y", "FP32", (-1, 2), labels=("no", "yes")),))

    assert opened(tmp_path, reshaped(), signature=declared).signature().outputs == declared.outputs


def test_a_value_that_the_model_does_not_know(tmp_path: Path) -> None:
    data = model(
        [tensor("index", Kind.INT32, (-1,))],
        [tensor("value", Kind.FLOAT32, (-1, 2))],
        Operator.EMBEDDING_LOOKUP,
        constants=[np.array([[1, 2], [3, 4]], np.float32)],
    )
    engine = opened(tmp_path, data)

    assert engine.predict({"index": np.array([1, 0], np.int32)})["value"].tolist() == [[3, 4], [1, 2]]
    with pytest.raises(InvalidInput, match="does not know a value"):
        engine.predict({"index": np.array([7], np.int32)})
    assert engine.predict({"index": np.array([1], np.int32)})["value"].tolist() == [[3, 4]]


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="the tensor 'x' holds complex64"):
        opened(tmp_path, reshaped(Kind.COMPLEX64))


def test_operators_of_tensorflow_itself(tmp_path: Path) -> None:
    data = model([tensor("x")], [tensor("y")], Operator.CUSTOM, custom="FlexErf")

    with pytest.raises(LoadError, match=r"cannot load m\.tflite: ") as caught:
        opened(tmp_path, data)
    assert "SavedModel" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\0\0\0TFL3"])
def test_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LoadError, match=r"LiteRT cannot load m\.tflite: "):
        opened(tmp_path, content)


def pipeline(path: Path) -> Any:
    return load_pipeline(Manifest(Model("m", "1", path.name), Runtime("tflite")), path.parent)


@others
def test_tensorflow_servings_own_model() -> None:
    folder = MODELS / "tflite" / "half_plus_two"
    case = json.loads((folder / "case.json").read_text())
    pipe = pipeline(folder / case["artifact"])

    assert warm_up(pipe).error is None
    assert pipe.batchable
    x = np.array([case["input"]["x"]], np.float32)
    assert pipe.run({"x": np.repeat(x, 3, axis=0)})["y"].tolist() == [case["expected"]["y"]] * 3


@others
def test_a_network_published_in_three_formats() -> None:
    folder = MODELS / "multi_format" / "basic_pitch"
    published = np.load(folder / "tf_v1_session_io.npz")
    pipe = pipeline(folder / "nmp.tflite")

    answer = pipe.run({"input_2": np.repeat(published["x"], 2, axis=0)})

    assert sorted(answer) == ["contour", "note", "onset"]
    for name, array in answer.items():
        np.testing.assert_allclose(array, np.repeat(published[name], 2, axis=0), atol=1e-3)
