"""``--optimize``: an image with the quicker form of a model, and one with the original, kept for a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from e2e.command import Mbuild
from e2e.servers import ask, running

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]


@pytest.fixture
def forest(tmp_path: Path) -> tuple[Path, Any, pd.DataFrame]:
    """A forest of a hundred trees on columns that are filled, scaled and encoded; its file, it, and its data."""
    random = np.random.default_rng(0)
    numbers = {"age": random.normal(40, 9, 400).round(1), "pay": random.normal(size=400)}
    frame = pd.DataFrame({**numbers, "city": random.choice(["Rome", "Oslo", "Paris"], 400)})
    columns = ColumnTransformer(
        [("n", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "pay"]), ("c", OneHotEncoder(), ["city"])]
    )
    labels = np.where(frame.age + 20 * (frame.city == "Rome") > 50, "yes", "no")
    model = make_pipeline(columns, RandomForestClassifier(100, random_state=0)).fit(frame, labels)
    joblib.dump(model, tmp_path / "forest.joblib")
    (tmp_path / "request.json").write_text(frame.head(20).to_json(orient="records"))
    return tmp_path / "forest.joblib", model, frame


def test_a_forest_becomes_a_graph_and_nobody_sees_a_difference(
    mbuild: Mbuild, image: Image, client: Any, forest: tuple[Path, Any, pd.DataFrame]
) -> None:
    path, model, frame = forest
    outcome = mbuild("package", path, "--optimize", "-t", image(), "--json")
    packaged = outcome.json
    assert packaged["optimisation"]["kept"].startswith("ONNX")
    assert "instead of joblib" in outcome.err
    labels = client.images.get(packaged["reference"]).labels
    assert labels["mbuild.runtime"] == "onnx"
    (kept,) = [tried for tried in json.loads(labels["mbuild.optimised"])["tried"] if not tried["reason"]]
    assert kept["microseconds"]["1"]["original"] > 10 * kept["microseconds"]["1"]["candidate"]
    assert not any(text.startswith(("scikit-learn", "pandas")) for text in json.loads(labels["mbuild.requirements"]))

    rows = frame.tail(50)
    asked = rows.to_dict("records")
    asked[0]["age"] = None
    del asked[1]["pay"]
    expected = model.predict_proba(pd.DataFrame(asked).astype({"age": float}))
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", asked)
        assert status == 200
        assert [row["label"] for row in answer] == model.classes_[expected.argmax(axis=1)].tolist()
        np.testing.assert_allclose([row["probabilities"] for row in answer], expected, atol=1e-5)
        assert [ask(address, "/predict", row)[1] for row in asked[:5]] == answer[:5]
        status, problem = ask(address, "/predict", {**asked[2], "city": "Bonn"})
        assert (status, "'Bonn' is not a value that the model knows" in problem["detail"]) == (400, True)
        contract = ask(address, "/contract")[1]["contract"]
    told = [(spec["name"], spec["datatype"], spec["optional"], spec["labels"]) for spec in contract["inputs"]]
    assert told == [
        ("age", "FP64", True, []),
        ("pay", "FP64", True, []),
        ("city", "BYTES", False, ["Oslo", "Paris", "Rome"]),
    ]


def test_what_is_not_equal_enough_stays_as_it_is(
    mbuild: Mbuild, image: Image, client: Any, forest: tuple[Path, Any, pd.DataFrame]
) -> None:
    path, _, _ = forest
    outcome = mbuild("package", path, "--optimize", "--tolerance", "0", "-t", image(), "--json")
    assert outcome.json["optimisation"]["kept"] == "original"
    assert outcome.err.count("not kept: ONNX") == 3
    assert "kept: the original, joblib" in outcome.err
    labels = client.images.get(outcome.json["reference"]).labels
    assert labels["mbuild.runtime"] == "sklearn"
    assert "it answers otherwise" in labels["mbuild.optimised"]


def test_without_an_example_there_is_nothing_to_compare(
    mbuild: Mbuild, image: Image, forest: tuple[Path, Any, pd.DataFrame]
) -> None:
    path, _, _ = forest
    (path.parent / "request.json").unlink()
    failed = mbuild.fails(2, "package", path, "--optimize", "-t", image())
    assert "there is none" in failed.message
    assert "--example request.json" in failed.hint
