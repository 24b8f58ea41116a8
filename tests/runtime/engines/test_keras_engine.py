"""Keras: functional, sequential and subclassed models in both formats, names, datatypes, code in files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

os.environ["KERAS_BACKEND"] = "tensorflow"
keras = pytest.importorskip("keras", reason="tested in an environment of its own")

from modelbuild_runtime.engines.keras.engine import load  # noqa: E402

FORMATS = [".keras", ".h5"]


def opened(model: Any, folder: Path, ending: str = ".keras", **options: Any) -> Any:
    path = folder / f"m{ending}"
    model.save(path)
    return load(path, EngineOptions(**options))


def double(name: str = "double") -> Any:
    return keras.layers.Rescaling(2.0, name=name)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_sequence_of_layers(tmp_path: Path, ending: str) -> None:
    engine = opened(keras.Sequential([keras.Input((2,), name="x"), double()]), tmp_path, ending)

    assert engine.signature().inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert engine.signature().outputs == (TensorSpec("double", "FP32", (-1, 2)),)
    for rows in (1, 3):
        x = np.ones((rows, 2), np.float32)
        assert engine.predict({"x": x})["double"].tolist() == [[2, 2]] * rows


@pytest.mark.parametrize("ending", FORMATS)
def test_several_inputs_and_outputs(tmp_path: Path, ending: str) -> None:
    z, a = keras.Input((1,), name="z"), keras.Input((1,), name="a", dtype="int32")
    less = keras.layers.Subtract(name="less")([z, keras.layers.Rescaling(1.0)(a)])
    engine = opened(keras.Model([z, a], [less, double("twice")(z)]), tmp_path, ending)

    assert [(item.name, item.datatype) for item in engine.signature().inputs] == [("z", "FP32"), ("a", "INT32")]
    answer = engine.predict({"a": np.array([[3]], np.int32), "z": np.array([[5.0]], np.float32)})
    assert {name: array.tolist() for name, array in answer.items()} == {"less": [[2]], "twice": [[10]]}


def test_inputs_and_outputs_in_dicts(tmp_path: Path) -> None:
    z, a = keras.Input((1,), name="z"), keras.Input((1,), name="a")
    less = keras.layers.Subtract()([z, a])
    engine = opened(keras.Model({"z": z, "a": a}, {"other": double()(a), "less": less}), tmp_path)

    assert [item.name for item in engine.signature().inputs] == ["a", "z"]
    answer = engine.predict({"z": np.array([[5.0]], np.float32), "a": np.array([[3.0]], np.float32)})
    assert {name: array.tolist() for name, array in answer.items()} == {"less": [[2]], "other": [[6]]}


@pytest.mark.parametrize("datatype, dtype", [("FP16", "float16"), ("FP64", "float64"), ("INT64", "int64")])
def test_datatypes(tmp_path: Path, datatype: str, dtype: str) -> None:
    x = keras.Input((2,), name="x", dtype=dtype)
    engine = opened(keras.Model(x, keras.layers.Identity(name="y", dtype=dtype)(x)), tmp_path)

    assert engine.signature().inputs[0].datatype == datatype
    array = np.array([[1, 2]], np.dtype(dtype))
    assert engine.predict({"x": array})["y"].tolist() == [[1, 2]]


def test_bfloat16_is_spoken_as_fp32(tmp_path: Path) -> None:
    x = keras.Input((2,), name="x", dtype="bfloat16")
    engine = opened(keras.Model(x, keras.layers.Identity(name="y", dtype="bfloat16")(x)), tmp_path)

    answer = engine.predict({"x": np.array([[1.00390625, np.nan]], np.float32)})["y"]
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, np.array([[1, np.nan]], np.float32))


def test_words(tmp_path: Path) -> None:
    words = keras.layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=2)
    model = keras.Sequential([keras.Input((1,), dtype="string", name="text"), words])
    engine = opened(model, tmp_path)

    assert engine.signature().inputs[0].datatype == "BYTES"
    (answer,) = engine.predict({"text": np.array([["good bad"], [b"worse"]], object)}).values()
    assert answer.tolist() == [[2, 3], [1, 0]]


def test_dropout_and_normalization_do_not_train(tmp_path: Path) -> None:
    layers = [keras.Input((2,), name="x"), keras.layers.Dropout(0.9), keras.layers.BatchNormalization(name="y")]
    engine = opened(keras.Sequential(layers), tmp_path)

    x = np.array([[1, 2]], np.float32)
    np.testing.assert_allclose(engine.predict({"x": x})["y"], x, rtol=1e-3)
    np.testing.assert_array_equal(engine.predict({"x": x})["y"], engine.predict({"x": x})["y"])


def test_what_was_compiled_for_training(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Dense(1, name="y")])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    x = np.array([[1.0], [2.0]], np.float32)

    np.testing.assert_allclose(opened(model, tmp_path).predict({"x": x})["y"], model(x).numpy(), rtol=1e-6)


def test_a_value_that_the_model_does_not_know(tmp_path: Path) -> None:
    layers = [keras.Input((), dtype="int32", name="x"), keras.layers.Embedding(2, 1, name="y")]
    engine = opened(keras.Sequential(layers), tmp_path)

    with pytest.raises(InvalidInput, match=r"^the model refuses a value: indices\[0\] = 7 is not in \[0, 2\)$"):
        engine.predict({"x": np.array([7], np.int32)})


def test_code_in_the_file_runs_only_where_it_may(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Lambda(lambda x: x * 2, name="y")])

    with pytest.raises(LoadError, match=r"cannot load m\.keras") as caught:
        opened(model, tmp_path)
    assert "--allow-unsafe" in caught.value.hint
    allowed = opened(model, tmp_path, options={"unsafe": True})
    assert allowed.predict({"x": np.ones((1, 1), np.float32)})["y"].tolist() == [[2]]


class Mine(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 3


def test_a_layer_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        opened(keras.Sequential([keras.Input((1,), name="x"), Mine(name="y")]), tmp_path)
    assert "Define or import Mine in the handler module" in caught.value.hint


@keras.saving.register_keras_serializable("tests")
class Registered(keras.Model):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.inner = keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, x: Any) -> Any:
        return self.inner(x)


def test_a_model_of_a_class_of_its_own(tmp_path: Path) -> None:
    model = Registered()
    model(np.ones((1, 2), np.float32))
    engine = opened(model, tmp_path)

    assert engine.signature().inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert engine.predict({"x": np.ones((2, 2), np.float32)})["output"].tolist() == [[2], [2]]


def test_declared_labels_are_kept(tmp_path: Path) -> None:
    declared = Signature(outputs=(TensorSpec("double", "FP32", (-1, 2), labels=("no", "yes")),))
    model = keras.Sequential([keras.Input((2,), name="x"), double()])

    assert opened(model, tmp_path, signature=declared).signature().outputs == declared.outputs


def test_any_ending_of_the_name(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), double()])
    for ending in FORMATS:
        model.save(tmp_path / f"m{ending}")
        (tmp_path / f"m{ending}").rename(tmp_path / "model")
        assert load(tmp_path / "model", EngineOptions()).signature().inputs[0].name == "x"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(content)

    with pytest.raises(LoadError, match=r"Keras 3\.\d+\.\d+ cannot load m\.keras: "):
        load(path, EngineOptions())
