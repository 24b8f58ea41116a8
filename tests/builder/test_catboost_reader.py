from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder import samples
from modelbuild.artifact import read_artifact
from modelbuild.dependencies.requirements import less_required
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.signature import TensorSpec

RUNTIMES = builtin_runtimes()
CATBOOST = next(runtime for runtime in RUNTIMES if runtime.name == "catboost")


def reading(data: bytes, folder: Path) -> Reading:
    (folder / "model").write_bytes(data)
    artifact = read_artifact(folder / "model", cache=folder / "cache")
    assert detect(artifact, RUNTIMES).name == "catboost"
    return read(CATBOOST, artifact)


def document(**changes):
    features = [{"flat_feature_index": 0, "feature_id": "age"}, {"flat_feature_index": 1, "feature_id": "rooms"}]
    model = {
        "features_info": {"float_features": features},
        "model_info": {"params": {"loss_function": {"type": "RMSE"}}, "train_finish_time": "2024-01-01T00:00:00Z"},
        "oblivious_trees": [{"leaf_values": [1]}],
        "scale_and_bias": [1, [0]],
    }
    return json.dumps({**model, **changes}).encode()


def test_the_binary_format(tmp_path):
    found = reading(samples.catboost(), tmp_path)
    assert found.format == "catboost (cbm)"
    assert found.signature.inputs == (
        TensorSpec("0", "FP32", (-1,)),
        TensorSpec("1", "FP32", (-1,)),
        TensorSpec("2", "BYTES", (-1,)),
    )
    assert found.signature.outputs == (TensorSpec("prediction", "FP64", (-1,)),)
    del found.metadata["trained"]
    assert found.metadata == {"loss function": "RMSE", "features": "3", "categories": "1", "trees": "2"}


def test_json(tmp_path):
    found = reading(document(), tmp_path)
    assert found.format == "catboost (json)"
    assert found.signature.inputs == (TensorSpec("age", "FP32", (-1,)), TensorSpec("rooms", "FP32", (-1,)))
    assert found.metadata == {"loss function": "RMSE", "features": "2", "trained": "2024-01-01T00:00:00Z"}


def test_what_draws_pictures_is_not_installed():
    assert {"matplotlib", "plotly", "graphviz"}.isdisjoint(less_required(CATBOOST, None)["catboost"])


def test_embeddings_are_refused(tmp_path):
    features = {"float_features": [{"flat_feature_index": 0}, {"flat_feature_index": 2}]}
    with pytest.raises(UnsupportedModelError, match="takes embeddings"):
        reading(document(features_info=features), tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"CBM1", "corrupt or truncated CatBoost model: it is too short"),
        (b"CBM1\xff\0\0\0abc", "it has 11 bytes of 263"),
        (b"CBM1\x08\0\0\0\x04\0\0\0\0\0\0\0", "corrupt or truncated"),
        (b'{"features_info": {}, "model_info": {', "corrupt or truncated"),
        (b'{"features_info": {}, "model_info": {}}', "has no features"),
    ],
)
def test_what_is_damaged(data, message, tmp_path):
    with pytest.raises(ArtifactError, match=message) as caught:
        reading(data, tmp_path)
    assert "save_model" in caught.value.hint
