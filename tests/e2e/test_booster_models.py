"""Boosted trees that others made, packaged, and asked for the answers that are known of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from modelbuild_runtime.engines.lightgbm.sample import make as make_lightgbm
from modelbuild_runtime.engines.xgboost.sample import make as make_xgboost

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"

pytestmark = [pytest.mark.docker, pytest.mark.slow]
of_others = pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")

HANDLER = """
import numpy as np


def predict(model, inputs):
    rows = np.stack(list(inputs.values()), axis=1).astype(np.float32)
    return {"class": np.array([type(model).__name__] * len(rows)), "chance": model.inplace_predict(rows)}
"""

Image = Callable[..., str]


def case(name: str) -> tuple[Path, dict[str, Any]]:
    """A case's artifact, and what is known of it."""
    told = json.loads((MODELS / name / "case.json").read_text())
    return MODELS / name / told["artifact"], told


@of_others
@pytest.mark.parametrize("name", ["xgboost/kserve_iris_json", "xgboost/kserve_iris_bst"])
def test_xgboost(mbuild: Mbuild, image: Image, client: Any, name: str) -> None:
    model, told = case(name)
    packaged = mbuild("package", model, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        assert ask(address, "/predict", told["input"]) == (200, [{"label": told["expected"][0]}])
        more = [*told["input"], [6.0, 2.9, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]]
        assert ask(address, "/predict", more) == (200, [{"label": 0}, {"label": 1}, {"label": 2}])
        assert ask(address, "/predict", [[None, None, None, None]])[0] == 200


@of_others
def test_lightgbm(mbuild: Mbuild, image: Image, client: Any) -> None:
    model, told = case("lightgbm/kserve_iris_bst")
    packaged = mbuild("package", model, "-t", image(), "--json").json
    names = [spec["name"] for spec in packaged["verification"]["contract"]["contract"]["inputs"]]
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", dict(zip(names, told["input"][0], strict=True)))
        assert (status, answer["label"], len(answer["probabilities"])) == (200, told["expected"][0], 3)
        assert ask(address, "/predict", [told["input"][0], [6.3, 3.3, 6.0, 2.5]])[1][1]["label"] == 2


@of_others
def test_lightgbm_on_categories(mbuild: Mbuild, image: Image, client: Any) -> None:
    model, _ = case("lightgbm/treelite_toy_categorical")
    lines = (model.parent / "input.libsvm").read_text().splitlines()
    rows = [[float(pair.split(":")[1]) for pair in line.split()[1:]] for line in lines]
    expected = [float(line) for line in (model.parent / "expected.pred").read_text().split()]
    packaged = mbuild("package", model, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", rows)
    assert status == 200
    assert [row["prediction"] for row in answer] == pytest.approx(expected, abs=1e-6)


@of_others
def test_catboost(mbuild: Mbuild, image: Image, client: Any) -> None:
    """Nobody published its answers: it is held against CatBoost itself, in this process."""
    from catboost import CatBoostClassifier

    model, _ = case("catboost/mlserver")
    rows = [[place * 0.3 - row for place in range(10)] for row in range(4)]
    expected = CatBoostClassifier().load_model(str(model)).predict_proba(rows)
    packaged = mbuild("package", model, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", rows)
    assert status == 200
    assert [row["probabilities"] for row in answer] == [pytest.approx(list(row), abs=1e-12) for row in expected]


def test_a_handler_that_predicts_gets_the_whole_framework(
    mbuild: Mbuild, image: Image, client: Any, tmp_path: Path
) -> None:
    """Its engine does without scipy, and a handler may not."""
    sample = make_xgboost(tmp_path)
    (tmp_path / "handler.py").write_text(HANDLER)
    packaged = mbuild("package", sample.path, "-H", tmp_path / "handler.py", "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", sample.request)
    assert (status, [row["class"] for row in answer]) == (200, ["Booster"] * 3)
    chances = [row["probabilities"][1] for row in sample.expected]
    assert [row["chance"] for row in answer] == pytest.approx(chances)


@pytest.mark.parametrize("make", [make_xgboost, make_lightgbm], ids=["xgboost", "lightgbm"])
def test_a_handler_around_the_engine_needs_no_more_than_the_engine(
    mbuild: Mbuild, image: Image, client: Any, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    """The image is without scipy; names of classes are what such models are given a handler for."""
    sample = make(tmp_path)
    (tmp_path / "handler.py").write_text("def postprocess(outputs):\n    return {'named': outputs['label'] == 1}\n")
    packaged = mbuild("package", sample.path, "-H", tmp_path / "handler.py", "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", sample.request)
    assert (status, answer) == (200, [{"named": row["label"] == 1} for row in sample.expected])
