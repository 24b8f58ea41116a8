from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from modelbuild.artifact import read_artifact
from modelbuild.dependencies.python_version import choose_python
from modelbuild.dependencies.requirements import less_required, requirements_for
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.prepare import prepare
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec

MODELS = Path(__file__).parents[3] / "shared" / "models" / "xgboost"
RUNTIMES = builtin_runtimes()
XGBOOST = next(runtime for runtime in RUNTIMES if runtime.name == "xgboost")


def document(objective="reg:squarederror", version=(3, 2, 0), attributes=None, enc=None, **changes):
    learner = {
        "attributes": attributes or {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {
            "model": {"cats": {"enc": enc or []}, "gbtree_model_param": {"num_trees": "7"}, "trees": [{"x": [1]}]},
            "name": "gbtree",
        },
        "learner_model_param": {"num_feature": "4", "num_class": "0", "num_target": "1"},
        "objective": {"name": objective},
    }
    return {"learner": {**learner, **changes}, "version": list(version)}


def parameters(features=4, classes=0, targets=1):
    return {"num_feature": str(features), "num_class": str(classes), "num_target": str(targets)}


def reading(data, folder: Path) -> Reading:
    (folder / "model").write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    artifact = read_artifact(folder / "model", cache=folder / "cache")
    assert detect(artifact, RUNTIMES).name == "xgboost"
    return read(XGBOOST, artifact)


def test_an_array_of_numbers(tmp_path):
    found = reading(document(), tmp_path)
    assert (found.format, found.version, found.prepare) == ("xgboost (json)", "3.2.0", "")
    assert found.signature.inputs == (TensorSpec("X", "FP32", (-1, 4)),)
    assert found.signature.outputs == (TensorSpec("prediction", "FP32", (-1,)),)
    assert found.options == {"written_by": "3.2.0"}
    assert found.metadata == {"booster": "gbtree", "objective": "reg:squarederror", "features": "4", "trees": "7"}


def test_columns_of_a_frame_with_their_categories(tmp_path):
    encoded = [{}, {}, {"offsets": [0, 4, 9], "values": [*b"LyonParis"]}, {"type": 15, "values": [10, 20]}]
    columns = {"feature_names": ["age", "child", "city", "zone"], "feature_types": ["int", "i", "c", "c"]}
    found = reading(document(enc=encoded, **columns), tmp_path)
    assert found.signature.columns
    assert found.signature.inputs == (
        TensorSpec("age", "FP32", (-1,)),
        TensorSpec("child", "BOOL", (-1,), optional=True),
        TensorSpec("city", "BYTES", (-1,), optional=True, labels=("Lyon", "Paris")),
        TensorSpec("zone", "INT64", (-1,), optional=True, labels=("10", "20")),
    )
    assert found.options["categories"] == {"city": ["Lyon", "Paris"], "zone": [10, 20]}
    older = reading(document(version=(2, 1, 4), **columns), tmp_path)
    assert [spec.datatype for spec in older.signature.inputs] == ["FP32", "BOOL", "FP32", "FP32"]


def test_names_that_xgboost_garbles_are_not_taken_for_categories(tmp_path):
    # Éze and Lyon, as its Python package writes them: places counted in characters, bytes cut off at the last one.
    encoded = [{"offsets": [0, 3, 7], "values": [-61, -119, *b"zeLyo"]}]
    columns = {"feature_names": ["city"], "feature_types": ["c"], "learner_model_param": parameters(1)}
    found = reading(document(enc=encoded, **columns), tmp_path)
    assert found.signature.inputs == (TensorSpec("city", "FP32", (-1,)),)
    assert (found.findings[0].severity, "categories" in found.options) == ("review", False)


@pytest.mark.parametrize(
    ("objective", "sizes", "expected"),
    [
        ("multi:softprob", {"classes": 3}, [("label", (-1,)), ("probabilities", (-1, 3))]),
        ("multi:softmax", {"classes": 3}, [("label", (-1,))]),
        ("binary:logistic", {}, [("label", (-1,)), ("probabilities", (-1, 2))]),
        ("binary:logistic", {"targets": 4}, [("label", (-1, 4)), ("probabilities", (-1, 4))]),
        ("binary:logitraw", {}, [("score", (-1,))]),
        ("rank:ndcg", {}, [("score", (-1,))]),
        ("survival:cox", {}, [("prediction", (-1,))]),
        ("reg:quantileerror", {"targets": 3}, [("prediction", (-1, 3))]),
    ],
)
def test_what_comes_out(objective, sizes, expected, tmp_path):
    found = reading(document(objective, learner_model_param=parameters(**sizes)), tmp_path)
    assert [(spec.name, spec.shape) for spec in found.signature.outputs] == expected


def test_early_stopping_is_followed_as_xgboost_itself_does(tmp_path):
    stopped = {"best_iteration": "9"}
    plain = reading(document(attributes=stopped), tmp_path)
    assert "rounds" not in plain.options
    assert plain.findings[0].what == "all rounds are used, though early stopping found the first 10 best"
    wrapped = reading(document(attributes={**stopped, "scikit_learn": "{}"}), tmp_path)
    assert wrapped.options["rounds"] == 10
    assert wrapped.findings[0].what == "the first 10 rounds are used"


@pytest.mark.parametrize(
    ("version", "python"),
    [((1, 7, 6), "3.9"), ((2, 1, 4), "3.9"), ((3, 2, 0), "3.10"), ((3, 4, 1), "3.12")],
)
def test_the_image_is_not_older_than_the_file(version, python, tmp_path):
    found = reading(document(version=version), tmp_path)
    wanted = requirements_for(XGBOOST, found, None, (), ())
    assert f"xgboost-cpu>={'.'.join(map(str, version))}" in wanted
    assert choose_python(XGBOOST, found, None, requested="", host=python) == python
    older = f"3.{int(python[2:]) - 1}"
    assert choose_python(XGBOOST, found, None, requested="", host=older) != older
    assert less_required(XGBOOST, None) == {"xgboost-cpu": ("numpy",)}


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"learner": {}, "version": [3, 2, 0]}, ArtifactError, "has no learner_model_param"),
        (document(version=()), UnsupportedModelError, "does not say which version"),
        (b'{"version": [3, 2, 0], "learner": {"a": ', ArtifactError, "corrupt or truncated"),
        (b"{L" + struct.pack(">q", 7) + b"learner{", ArtifactError, "corrupt or truncated"),
    ],
)
def test_what_is_damaged(data, error, message, tmp_path):
    with pytest.raises(error, match=message) as caught:
        reading(data, tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("header", [b"binf", b""])
def test_the_old_binary_format_is_to_be_converted(header, tmp_path):
    data = header + bytes(136) + struct.pack("<Q", 16) + b"reg:squarederror" + bytes(64)
    assert reading(data, tmp_path).prepare == "it is in XGBoost's old binary format"


@pytest.mark.slow
@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
def test_the_old_binary_format_is_converted(tmp_path):
    artifact = read_artifact(MODELS / "kserve_iris_bst" / "model.bst", cache=tmp_path / "cache")
    made = prepare(XGBOOST, artifact, read(XGBOOST, artifact), cache=tmp_path / "cache")
    found = read(XGBOOST, made)
    assert (made.name, found.format, found.version, found.prepare) == ("model.bst", "xgboost (ubjson)", "2.1.4", "")
    assert found.signature.inputs == (TensorSpec("X", "FP32", (-1, 4)),)


def test_a_damaged_old_binary_is_told_by_the_conversion(tmp_path):
    (tmp_path / "m").write_bytes(b"binf" + bytes(20))
    artifact = read_artifact(tmp_path / "m", cache=tmp_path / "cache")
    with pytest.raises(
        UnsupportedModelError, match=r"has to be converted .* cannot be: XGBoost 2\.1\.4 cannot load it"
    ):
        prepare(XGBOOST, artifact, read(XGBOOST, artifact), cache=tmp_path / "cache")
