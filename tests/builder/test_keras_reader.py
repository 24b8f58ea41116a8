from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from builder.hdf5 import hdf5
from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError, UnknownFormatError, UnsafeArtifactError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec
from modelbuild.source import require_safe

RUNTIMES = builtin_runtimes()
KERAS = next(runtime for runtime in RUNTIMES if runtime.name == "keras")


def layer(name: str, shape: Any, dtype: Any = "float32", **more: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"name": name, "batch_shape": shape, "dtype": dtype, **more},
    }


def functional(inputs: Any, *layers: Any) -> dict[str, Any]:
    config = {"layers": list(layers), "input_layers": inputs}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


def sequential(*layers: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def saved(folder: Path, config: Any, version: str = "3.10.0", **members: str) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", "")
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def reading(path: Path) -> Reading:
    artifact = read_artifact(path, cache=path.parent / "cache")
    assert detect(artifact, RUNTIMES).name == "keras"
    return read(KERAS, artifact)


def of_hdf5(folder: Path, attributes: dict[str, Any]) -> Reading:
    (folder / "model.h5").write_bytes(hdf5(attributes))
    return reading(folder / "model.h5")


A, B = layer("a", [None, 2]), layer("b", [None, None, 3], "int64")
INPUTS = {
    "several": (functional([["a", 0, 0], ["b", 0, 0]], A, B), ["a", "b"]),
    "in their order": (functional([["b", 0, 0], ["a", 0, 0]], A, B), ["b", "a"]),
    "one": (functional(["b", 0, 0], A, B), ["b"]),
    "by name": (functional({"z": ["a", 0, 0], "y": ["b", 0, 0]}, A, B), ["y", "z"]),
    "in sequence": (sequential(A), ["a"]),
    "none in sequence": (sequential({"class_name": "Dense", "config": {}}), []),
    "nested": (functional([[["a", 0, 0], ["b", 0, 0]]], A, B), []),
    "sparse": (functional([["a", 0, 0]], layer("a", [None, 2], sparse=True)), []),
    "of a class of its own": ({"module": "mine", "class_name": "Net", "config": {"units": 3}}, []),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs(case, tmp_path):
    config, names = INPUTS[case]
    found = reading(saved(tmp_path, config)).signature
    assert [spec.name for spec in found.inputs] == names
    assert found.outputs == ()  # no file says their shapes


def test_types_and_shapes(tmp_path):
    found = reading(saved(tmp_path, functional([["b", 0, 0], ["t", 0, 0]], B, layer("t", [None], "string")))).signature
    assert found.inputs == (TensorSpec("b", "INT64", (-1, -1, 3)), TensorSpec("t", "BYTES", (-1,)))


@pytest.mark.parametrize("wrote, version", [("3.10.0", "3.10.0"), ("2.15.0", ""), ("", ""), ("3.16.0.dev1", "3.16.0")])
def test_the_version_that_wrote_it(wrote, version, tmp_path):
    assert reading(saved(tmp_path, sequential(A), wrote)).version == version
    assert of_hdf5(tmp_path, {"model_config": json.dumps(sequential(A)), "keras_version": wrote}).version == version


def test_an_hdf5_file(tmp_path):
    old = {"class_name": "Sequential", "config": [{**A, "config": {"batch_input_shape": [None, 2], "name": "a"}}]}
    found = of_hdf5(tmp_path, {"model_config": json.dumps(old), "keras_version": b"2.2.4"})
    assert found.format == "hdf5"
    assert found.signature.inputs == (TensorSpec("a", "FP32", (-1, 2)),)
    assert found.metadata["written by"] == "Keras 2.2.4"


LAMBDAS = {
    "of Keras 3": {
        "class_name": "Lambda",
        "config": {"function": {"class_name": "__lambda__", "config": {"code": ""}}},
    },
    "of Keras 2": {"class_name": "Lambda", "config": {"function": ["4wEA", None, None], "function_type": "lambda"}},
    "deep inside": {"class_name": "Wrapper", "config": {"layer": {"class_name": "__lambda__", "config": {}}}},
}


@pytest.mark.parametrize("case", LAMBDAS)
def test_code_in_the_file_is_refused(case, tmp_path):
    found = reading(saved(tmp_path, sequential(A, LAMBDAS[case])))
    with pytest.raises(UnsafeArtifactError, match="the bytecode of a Python function"):
        require_safe(found, allow_unsafe=False)
    assert found.options == {"unsafe": True}


def test_a_class_of_the_standard_library_is_refused(tmp_path):
    found = reading(saved(tmp_path, sequential(A, {"module": "os", "class_name": "system", "config": {}})))
    with pytest.raises(UnsafeArtifactError, match=r"os\.system"):
        require_safe(found, allow_unsafe=False)


def test_a_class_of_somebodys_own_is_told(tmp_path):
    found = reading(saved(tmp_path, sequential(A, {"module": "mine.layers", "class_name": "Net", "config": {}})))
    assert [(item.severity, item.what) for item in found.findings] == [("review", "mine.layers.Net")]
    assert found.options == {}


def test_weights_alone(tmp_path):
    (tmp_path / "w.h5").write_bytes(hdf5({"layer_names": 1, "backend": "tensorflow"}))
    with pytest.raises(UnknownFormatError, match="the weights of a Keras model without the model") as caught:
        detect(read_artifact(tmp_path / "w.h5", cache=tmp_path / "cache"), RUNTIMES)
    assert "model.save" in caught.value.hint


@pytest.mark.parametrize("config", ["[]", "{}", '{"config": 3}'])
def test_a_configuration_that_is_none(config, tmp_path):
    with pytest.raises(ArtifactError, match="describes no model"):
        reading(saved(tmp_path, json.loads(config)))


def test_a_configuration_that_is_no_json(tmp_path):
    with pytest.raises(ArtifactError, match="is no JSON"):
        of_hdf5(tmp_path, {"model_config": "{"})


def test_files_that_would_be_unpacked_elsewhere(tmp_path):
    with pytest.raises(ArtifactError, match="would be unpacked elsewhere"):
        reading(saved(tmp_path, sequential(A), **{"assets/../../x": ""}))


def test_cut_off(tmp_path):
    path = saved(tmp_path, sequential(A))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArtifactError, match="its directory is missing"):
        detect(read_artifact(path, cache=tmp_path / "cache"), RUNTIMES)
    (tmp_path / "m.h5").write_bytes(hdf5({"model_config": "{}"}, cut=3))
    with pytest.raises(ArtifactError, match="like an HDF5 file, but 3 bytes are missing"):
        detect(read_artifact(tmp_path / "m.h5", cache=tmp_path / "cache"), RUNTIMES)
