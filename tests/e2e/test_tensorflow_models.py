"""Models of TensorFlow's family that others made, packaged, and asked for the answers that are known of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import make_sample
from modelbuild_runtime.process.models.differences import differs

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)"),
]

Image = Callable[..., str]


def case(name: str) -> tuple[Path, dict[str, Any]]:
    """A case's artifact, and what is known of it."""
    told = json.loads((MODELS / name / "case.json").read_text())
    return MODELS / name / told["artifact"], told


def by_row(columns: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_tensorflow_lite(mbuild: Mbuild, image: Image, client: Any) -> None:
    model, told = case("tflite/half_plus_two")
    packaged = mbuild("package", model, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        assert ask(address, "/predict", told["input"]) == (200, told["expected"])
        # Three rows, although the file was made for one.
        status, answer = ask(address, "/predict", [{"x": [1.0]}, {"x": [2.0]}, {"x": [5.0]}])
        assert (status, answer) == (200, [{"y": [2.5]}, {"y": [3.0]}, {"y": [4.5]}])
        assert ask(address, "/predict", {"x": [None]}) == (200, {"y": [None]})  # NaN in, NaN out


SAVED_MODELS = ["half_plus_two_tf2_cpu", "half_plus_three", "matrix_half_plus_two"]


@pytest.mark.parametrize("name", SAVED_MODELS)
def test_saved_models_of_tensorflow_serving(mbuild: Mbuild, image: Image, client: Any, name: str) -> None:
    """Functions of TensorFlow 2, and graphs of TensorFlow 1; the folder around the version tells it, too."""
    model, told = case(f"tf_savedmodel/{name}")
    packaged = mbuild("package", model.parent, "-t", image(), "--json").json
    assert packaged["verification"]["contract"]["model"]["version"] == "1"
    with running(client, packaged["reference"]) as (_, address):
        rows, expected = by_row(told["input"]), by_row(told["expected"])
        assert ask(address, "/predict", rows) == (200, expected)
        assert [ask(address, "/predict", row) for row in rows] == [(200, row) for row in expected]
        status, answer = ask(address, "/predict", {"x": "much"})
        assert (status, answer["field"]) == (400, "x")


def test_keras(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """Nobody's model is at hand: its own sample, and what is read of it without Keras is what Keras says."""
    sample = make_sample("keras", tmp_path)
    packaged = mbuild("package", sample.path, "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    read, learnt = json.loads(labels["mbuild.signature"]), json.loads(labels["mbuild.contract"])
    assert [(item["name"], item["shape"]) for item in read["inputs"]] == [
        (item["name"], item["shape"]) for item in learnt["inputs"]
    ]
    with running(client, packaged["reference"]) as (container, address):
        status, answer = ask(address, "/predict", sample.request)
        assert status == 200
        assert differs(answer, sample.expected) == ""
        alone = [ask(address, "/predict", row)[1] for row in sample.request]
        assert differs(alone, sample.expected) == ""
        assert b"Traceback" not in container.logs()


def test_a_session_bundle_is_refused(mbuild: Mbuild) -> None:
    model, _ = case("tf_savedmodel/NEG_bad_half_plus_two")
    outcome = mbuild.fails(11, "package", model, "-t", "refused:1")
    assert "is a TensorFlow 1 checkpoint" in outcome.message
    assert "Export it as a SavedModel" in outcome.hint


@pytest.mark.parametrize("form", ["nmp.tflite", "nmp"])
def test_a_network_published_as_tensorflow_lite_and_as_a_saved_model(
    mbuild: Mbuild, image: Image, client: Any, form: str
) -> None:
    """The functions of the second have the slots of an optimizer: a session runs it."""
    folder = MODELS / "multi_format" / "basic_pitch"
    published = np.load(folder / "tf_v1_session_io.npz")
    packaged = mbuild("package", folder / form, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", {"input_2": published["x"][0].tolist()})
    assert status == 200
    expected = {name: published[name][0].tolist() for name in ("contour", "note", "onset")}
    assert differs(answer, expected, tolerance=1e-3) == ""
