from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError, MbuildError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec
from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.tflite.engine import load
from runtime.lite import Kind, Operator, labelled, model, reshaped, tensor

MODELS = Path(__file__).parents[3] / "shared" / "models"
RUNTIMES = builtin_runtimes()
TFLITE = next(runtime for runtime in RUNTIMES if runtime.name == "tflite")


def reading(data: bytes, folder: Path) -> Reading:
    path = folder / "model.tflite"
    path.write_bytes(data)
    artifact = read_artifact(path, cache=folder / "cache")
    assert detect(artifact, RUNTIMES).name == "tflite"
    return read(TFLITE, artifact)


FILES = {
    "free rows": reshaped,
    "one row": lambda: reshaped(shape=(1, 2)),
    "fixed rows": lambda: reshaped(shape=(3, 2)),
    "text": lambda: reshaped(Kind.STRING),
    "integers": lambda: reshaped(Kind.INT8),
    "a signature": lambda: reshaped(signatures={"any": (["b"], ["a"])}),
    "of several the default": lambda: reshaped(signatures={"train": (["t"], ["l"]), "serving_default": (["x"], ["y"])}),
    "another graph": lambda: reshaped(signatures={"serving_default": (["x"], ["y"])}, graphs=2),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_reader_says_what_the_engine_says(kind, tmp_path):
    found = reading(FILES[kind](), tmp_path).signature
    engine = load(tmp_path / "model.tflite", EngineOptions()).signature()
    for mine, its in ((found.inputs, engine.inputs), (found.outputs, engine.outputs)):
        assert [(s.name, s.datatype, s.shape) for s in mine] == [(s.name, s.datatype, s.shape) for s in its]


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
@pytest.mark.parametrize("case", ["tflite/half_plus_two/model.tflite", "multi_format/basic_pitch/nmp.tflite"])
def test_models_of_others(case, tmp_path):
    found = reading((MODELS / case).read_bytes(), tmp_path)
    engine = load(MODELS / case, EngineOptions()).signature()
    assert [spec.name for spec in found.signature.inputs] == [spec.name for spec in engine.inputs]
    assert [spec.shape for spec in found.signature.outputs] == [spec.shape for spec in engine.outputs]
    assert found.metadata["min runtime version"]


def with_labels(file, text):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("labels.txt", text)
    return reshaped(metadata={"TFLITE_METADATA": labelled(file)}) + archive.getvalue()


def test_labels_that_were_packed_with_the_model(tmp_path):
    found = reading(with_labels("labels.txt", "no\nyes\n"), tmp_path).signature
    assert found.outputs == (TensorSpec("y", "FP32", (-1, 2), labels=("no", "yes")),)


@pytest.mark.parametrize("file, text", [("labels.txt", "one\n"), ("others.txt", "a\nb\n")])
def test_labels_that_do_not_fit_are_none(file, text, tmp_path):
    assert reading(with_labels(file, text), tmp_path).signature.outputs[0].labels == ()


def test_values_that_are_kept_from_call_to_call(tmp_path):
    data = model([tensor("x"), tensor("state", variable=True)], [tensor("y")], Operator.ADD)
    assert reading(data, tmp_path).options == {"stateful": True}


def test_operators_of_tensorflow_itself_are_named(tmp_path):
    with pytest.raises(UnsupportedModelError) as caught:
        reading(model([tensor("x")], [tensor("y")], Operator.CUSTOM, custom="FlexErf"), tmp_path)
    assert "the operator Erf of TensorFlow itself" in caught.value.message
    assert "SavedModel" in caught.value.hint


def test_custom_operators_are_named(tmp_path):
    with pytest.raises(UnsupportedModelError, match="custom operator 'Mine'"):
        reading(model([tensor("x")], [tensor("y")], Operator.CUSTOM, custom="Mine"), tmp_path)
    reading(model([tensor("x")], [tensor("y")], Operator.CUSTOM, custom="TFLite_Detection_PostProcess"), tmp_path)


def test_several_signatures_without_a_default(tmp_path):
    with pytest.raises(UnsupportedModelError, match="infer, train, and none is called 'serving_default'"):
        reading(reshaped(signatures={"train": (["t"], ["l"]), "infer": (["x"], ["y"])}), tmp_path)


def test_what_cannot_be_sent(tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"The input 'x' of model\.tflite is of type 8"):
        reading(reshaped(Kind.COMPLEX64), tmp_path)


def test_cut_off_anywhere(tmp_path):
    whole = reshaped(signatures={"any": (["b"], ["a"])}, metadata={"x": bytes(64)})
    for end in range(8, len(whole), 7):
        with pytest.raises(ArtifactError, match=r"corrupt or truncated|lacks \d+ bytes"):
            reading(whole[:end], tmp_path)


def test_changed_anywhere_ends_well(tmp_path):
    """With an answer, or an error for people."""
    whole = bytearray(reshaped(signatures={"any": (["b"], ["a"])}))
    random = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole)
        for at in random.integers(8, len(data), 3):
            data[at] = random.integers(256)
        with contextlib.suppress(MbuildError):
            reading(bytes(data), tmp_path)
