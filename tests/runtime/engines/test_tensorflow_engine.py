"""TensorFlow SavedModels: functions and sessions, datatypes, text, rows, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.signature import Signature, TensorSpec

tf = pytest.importorskip("tensorflow", reason="tested in an environment of its own")

from modelbuild_runtime.engines.tensorflow.engine import load  # noqa: E402

MODELS = Path(__file__).resolve().parents[4] / "shared" / "models"
others = pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")

KINDS = {
    "BOOL": (tf.bool, np.array([[True, False]])),
    "UINT8": (tf.uint8, np.array([[0, 255]], np.uint8)),
    "UINT16": (tf.uint16, np.array([[0, 65535]], np.uint16)),
    "UINT32": (tf.uint32, np.array([[0, 2**32 - 1]], np.uint32)),
    "UINT64": (tf.uint64, np.array([[0, 2**64 - 1]], np.uint64)),
    "INT8": (tf.int8, np.array([[-128, 127]], np.int8)),
    "INT16": (tf.int16, np.array([[-(2**15), 2**15 - 1]], np.int16)),
    "INT32": (tf.int32, np.array([[-(2**31), 2**31 - 1]], np.int32)),
    "INT64": (tf.int64, np.array([[-(2**63), 2**63 - 1]], np.int64)),
    "FP16": (tf.float16, np.array([[0.5, np.inf]], np.float16)),
    "FP32": (tf.float32, np.array([[0.1, np.nan]], np.float32)),
    "FP64": (tf.float64, np.array([[0.1, -np.inf]], np.float64)),
    "BYTES": (tf.string, np.array([["é".encode(), b"\xff"]], object)),
}


def saved(folder: Path, function: Callable[..., Any], *specs: Any, key: str = "serving_default") -> Path:
    module = tf.Module()
    module.call = tf.function(function, input_signature=list(specs))
    tf.saved_model.save(module, str(folder / "m"), signatures={key: module.call})
    return folder / "m"


def spec(dtype: Any = tf.float32, shape: Any = (None, 2), name: str = "x") -> Any:
    return tf.TensorSpec(shape, dtype, name=name)


def same(x: Any) -> Any:
    return {"y": tf.identity(x)}


def version_1(folder: Path) -> Path:
    """A graph whose variable is a reference, as TensorFlow 1 made them: TensorFlow 2 has no functions of such."""
    v1 = tf.compat.v1
    path = folder / "m"
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        weight = v1.get_variable("w", initializer=tf.constant(2.0), use_resource=False)
        session.run(v1.global_variables_initializer())
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def({"in": info(x)}, {"out": info(x * weight)}, "predict")
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    return path


@pytest.mark.parametrize("datatype", KINDS)
def test_every_datatype(tmp_path: Path, datatype: str) -> None:
    dtype, array = KINDS[datatype]
    engine = load(saved(tmp_path, same, spec(dtype)), EngineOptions())

    assert engine.signature().inputs == (TensorSpec("x", datatype, (-1, 2)),)
    assert engine.signature().outputs == (TensorSpec("y", datatype, (-1, 2)),)
    answer = engine.predict({"x": array})["y"]
    assert answer.dtype == array.dtype
    np.testing.assert_array_equal(answer, array)


def test_text_may_be_str(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, same, spec(tf.string, [None])), EngineOptions())

    assert engine.predict({"x": np.array(["é", ""], object)})["y"].tolist() == ["é".encode(), b""]


def test_bfloat16_is_spoken_as_fp32(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, same, spec(tf.bfloat16, [None])), EngineOptions())

    assert engine.signature().inputs[0].datatype == "FP32"
    answer = engine.predict({"x": np.array([1.0, 1.00390625, np.nan], np.float32)})["y"]
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, np.array([1, 1, np.nan], np.float32))


def test_inputs_and_outputs_by_name(tmp_path: Path) -> None:
    def mixed(z: Any, a: Any) -> Any:
        return {"sum": a + z, "difference": a - z, "count": tf.shape(a)[:1]}

    engine = load(saved(tmp_path, mixed, spec(name="z"), spec(name="a")), EngineOptions())

    assert [item.name for item in engine.signature().inputs] == ["a", "z"]
    assert [item.name for item in engine.signature().outputs] == ["count", "difference", "sum"]
    answer = engine.predict({"a": np.full((1, 2), 5, np.float32), "z": np.ones((1, 2), np.float32)})
    assert {name: array.tolist() for name, array in answer.items()} == {
        "count": [1],
        "difference": [[4, 4]],
        "sum": [[6, 6]],
    }


def test_a_scalar_is_an_array(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, lambda x: {"y": tf.reduce_sum(x), "t": tf.constant("a")}, spec()), EngineOptions())

    answer = engine.predict({"x": np.ones((1, 2), np.float32)})
    assert (answer["y"].shape, float(answer["y"])) == ((), 2.0)
    assert (answer["t"].shape, answer["t"].item()) == ((), b"a")


def test_a_model_of_one_row_takes_more(tmp_path: Path) -> None:
    engine = load(saved(tmp_path, same, spec(shape=[1, 2])), EngineOptions())

    assert engine.signature().inputs[0].shape == (-1, 2)
    x = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert engine.predict({"x": x})["y"].tolist() == x.tolist()


def test_references_run_in_a_session(tmp_path: Path) -> None:
    engine = load(version_1(tmp_path), EngineOptions())

    assert isinstance(engine.model, tf.compat.v1.Session)
    assert engine.signature().inputs == (TensorSpec("in", "FP32", (-1, 2)),)
    x = np.array([[1, 2], [3, 4]], np.float32)
    assert engine.predict({"in": x})["out"].tolist() == [[2, 4], [6, 8]]


def test_a_value_that_the_model_does_not_know(tmp_path: Path) -> None:
    def look_up(x: Any) -> Any:
        return {"y": tf.raw_ops.GatherV2(params=tf.constant([10.0, 20.0]), indices=x, axis=0)}

    engine = load(saved(tmp_path, look_up, spec(tf.int32, [None])), EngineOptions())

    assert engine.predict({"x": np.array([1], np.int32)})["y"].tolist() == [20]
    with pytest.raises(InvalidInput, match=r"^the model refuses a value: indices\[0\] = 7 is not in \[0, 2\)$"):
        engine.predict({"x": np.array([7], np.int32)})


def test_declared_labels_are_kept(tmp_path: Path) -> None:
    declared = Signature(outputs=(TensorSpec("y", "FP32", (-1, 2), labels=("no", "yes")),))
    path = saved(tmp_path, same, spec())

    assert load(path, EngineOptions(signature=declared)).signature().outputs == declared.outputs


def test_the_signature_that_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, same, spec(), key="score")

    assert load(path, EngineOptions(options={"signature": "score"})).signature().inputs[0].name == "x"
    assert load(path, EngineOptions()).signature().inputs[0].name == "x"


def test_no_signature(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "m"))

    with pytest.raises(LoadError, match="m has no signature"):
        load(tmp_path / "m", EngineOptions())


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    path = saved(tmp_path, same, spec(tf.complex64))

    with pytest.raises(LoadError, match="the tensor 'x' is complex64"):
        load(path, EngineOptions())


def test_weights_that_are_cut_off(tmp_path: Path) -> None:
    module = tf.Module()
    module.w = tf.Variable(tf.ones((100,)))
    module.call = tf.function(lambda x: {"y": x * module.w[0]}, input_signature=[spec()])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": module.call})
    (data,) = (tmp_path / "m" / "variables").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:100])

    with pytest.raises(LoadError, match=r"TensorFlow \d.* cannot load m: "):
        load(tmp_path / "m", EngineOptions())


def pipeline(folder: Path, name: str) -> Any:
    return load_pipeline(Manifest(Model("m", "1", name), Runtime("tensorflow")), folder)


@others
@pytest.mark.parametrize("name", ["half_plus_three", "half_plus_two_tf2_cpu", "matrix_half_plus_two"])
def test_models_of_tensorflow_serving(name: str) -> None:
    folder = MODELS / "tf_savedmodel" / name
    case = json.loads((folder / "case.json").read_text())
    pipe = pipeline(folder, case["artifact"])

    assert warm_up(pipe).error is None
    assert pipe.batchable
    x = np.array(case["input"]["x"], np.float32)
    x = x.reshape(len(x), *pipe.contract.inputs[0].shape[1:])
    assert pipe.run({"x": x})["y"].tolist() == case["expected"]["y"]


@others
def test_a_network_published_in_three_formats() -> None:
    """TensorFlow 2 loads no functions of this one: it has the slots of an optimizer."""
    folder = MODELS / "multi_format" / "basic_pitch"
    published = np.load(folder / "tf_v1_session_io.npz")
    pipe = pipeline(folder, "nmp")

    answer = pipe.run({"input_2": np.repeat(published["x"], 2, axis=0)})

    assert sorted(answer) == ["contour", "note", "onset"]
    for name, array in answer.items():
        np.testing.assert_allclose(array, np.repeat(published[name], 2, axis=0), atol=1e-3)
