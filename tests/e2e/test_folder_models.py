"""Models in an envelope, and handlers alone: packaged, and asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.mlflow_folder import PYFUNC, folder_of
from builder.samples import mixed, pickled
from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import make_sample
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]

PIPELINE = """\
  transformers:
    components: [tokenizer]
    instance_type: TextClassificationPipeline
    model_binary: model
    task: text-classification
    torch_dtype: torch.float32
"""
COLUMNS = [{"name": "age", "type": "double"}, {"name": "city", "type": "string"}]
ROWS = [[20.0, "a"], [40.0, "b"], [80.0, "a"]]
FEATURES = """\
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Trip:
    city: str
    days: int = 1


def load(context):
    return json.loads((context.model / "prices.json").read_text())


def predict(prices, trip: Trip) -> dict:
    return {"price": prices[trip.city] * trip.days}
"""


def test_an_mlflow_folder(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """Its scikit-learn pipeline is served without MLflow; its example is asked; its protocol answers as MLflow does."""
    import pandas as pd

    frame = pd.DataFrame(ROWS, columns=["age", "city"])
    expected = mixed().predict(frame).tolist()
    example = json.dumps({"columns": ["age", "city"], "data": ROWS})
    folder = folder_of(tmp_path, inputs=COLUMNS, model__pkl=pickled(model=mixed()), input_example__json=example)
    packaged = mbuild("package", folder, "-t", image(), "--json").json
    assert [item["name"] for item in packaged["verification"]["examples"]] == ["input_example.json"]
    labels = client.images.get(packaged["reference"]).labels
    installed = {item.partition("==")[0] for item in json.loads(labels["mbuild.requirements"])}
    assert (labels["mbuild.runtime"], labels["mbuild.python"]) == ("mlflow", "3.11")
    assert "scikit-learn" in installed
    assert not {name for name in installed if name.startswith("mlflow")}
    with running(client, packaged["reference"]) as (_, address):
        split = {"dataframe_split": {"columns": ["age", "city"], "data": ROWS}}
        assert ask(address, "/invocations", split) == (200, {"predictions": expected})
        rows = frame.to_dict(orient="records")
        assert ask(address, "/predict", rows) == (200, [{"prediction": value} for value in expected])
        assert [ask(address, "/predict", row)[1]["prediction"] for row in rows] == expected
        status, answer = ask(address, "/predict", {"age": "old", "city": "a"})
        assert (status, answer["field"]) == (400, "age")


def test_a_pipeline_in_an_mlflow_folder(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """The tokenizer lies beside the model, and MLflow is not in the image; a label and its score are all it answers."""
    sample = make_sample("transformers", tmp_path)
    (tmp_path / "saved").mkdir()
    folder = folder_of(tmp_path / "saved", PYFUNC + PIPELINE, [{"type": "string"}], model__pkl=b"")
    shutil.copytree(sample.path, folder / "model")
    (folder / "components" / "tokenizer").mkdir(parents=True)
    for file in (folder / "model").glob("tokenizer*"):
        file.rename(folder / "components" / "tokenizer" / file.name)
    expected = [{"label": row["label"], "score": row["score"]} for row in sample.expected]
    packaged = mbuild("package", folder, "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    installed = {item.partition("==")[0] for item in json.loads(labels["mbuild.requirements"])}
    assert "transformers" in installed
    assert not {name for name in installed if name.startswith(("mlflow", "pandas"))}
    with running(client, packaged["reference"]) as (_, address):
        texts = [row["text"] for row in sample.request]
        status, answer = ask(address, "/invocations", {"instances": texts})
        assert (status, differs(answer["predictions"], expected)) == (200, "")
        status, answer = ask(address, "/predict", sample.request)
        assert (status, differs(answer, expected)) == (200, "")
        assert ask(address, "/predict", {"text": 1})[0] == 400


def test_params_of_a_python_function(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """Asked in the example, in MLflow's protocol and in others; what is wrong with one is said."""
    folder = make_sample("mlflow", tmp_path).path
    columns, data = ["surface", "kind"], [[50.0, "flat"], [90.5, "house"]]
    example = {"inputs": {"columns": columns, "data": data}, "params": {"per_metre": 10}}
    (folder / "input_example.json").write_text(json.dumps(example))
    packaged = mbuild("package", folder, "--name", "rent", "-t", image(), "--json").json
    assert [item["answer"] for item in packaged["verification"]["examples"]] == [{"predictions": [500.0, 1005.0]}]
    with running(client, packaged["reference"]) as (_, address):
        split = {"dataframe_split": {"columns": columns, "data": data}}
        for params, expected in (
            ({}, [1000.0, 1910.0]),
            ({"per_metre": 2}, [100.0, 281.0]),
            ({"other": 1}, [1000, 1910]),
        ):
            assert ask(address, "/invocations", {**split, "params": params}) == (200, {"predictions": expected})
        status, answer = ask(address, "/invocations", {**split, "params": {"per_metre": "much"}})
        assert (status, answer["message"]) == (400, "the parameter 'per_metre' must be a number")
        tensors = [
            {"name": "surface", "shape": [1], "datatype": "FP64", "data": [10]},
            {"name": "kind", "shape": [1], "datatype": "BYTES", "data": ["house"]},
        ]
        asked = {"inputs": tensors, "parameters": {"per_metre": 3}}
        assert ask(address, "/v2/models/rent/infer", asked)[1]["outputs"][0]["data"] == [130.0]
        told = ask(address, "/openapi.json")[1]["components"]["schemas"]["Parameters"]["properties"]
        assert told == {"per_metre": {"type": ["number", "null"], "default": 20.0}}


def test_a_folder_that_only_its_handler_knows(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "prices.json").write_text(json.dumps({"Lyon": 50, "Paris": 80}))
    (tmp_path / "features.py").write_text(FEATURES)
    (tmp_path / "request.json").write_text(json.dumps({"city": "Lyon", "days": 2}))
    options = ["--handler", tmp_path / "features.py", "--runtime", "python"]
    packaged = mbuild("package", tmp_path / "tables", *options, "-t", image(), "--json").json
    assert [item["answer"] for item in packaged["verification"]["examples"]] == [{"price": 100}]
    with running(client, packaged["reference"]) as (_, address):
        assert ask(address, "/predict", {"city": "Paris", "days": 3}) == (200, {"price": 240})
        assert ask(address, "/predict", [{"city": "Lyon"}]) == (200, [{"price": 50}])
        assert ask(address, "/predict", {"city": "Rome"})[0] == 500
        assert ask(address, "/predict", {"town": "Rome"})[0] == 400
