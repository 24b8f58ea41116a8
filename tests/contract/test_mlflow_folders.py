"""Folders that MLflow saved: read by the builder, served by the server, held against MLflow's own scoring app."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from contract.clients.environment import HERE, python_of
from modelbuild.config import Options
from modelbuild.host import Host
from modelbuild.planning.manifest import make_manifest
from modelbuild.source import Source, read_source
from modelbuild.verification.examples import find_examples
from modelbuild_runtime.process.models.differences import differs
from modelbuild_runtime.process.models.model import load_model
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.settings import Settings

pytestmark = pytest.mark.slow

ROUTED = {
    "sklearn": "sklearn",
    "sklearn-probabilities": "sklearn",
    "sklearn-matrix": "sklearn",
    "sklearn-matrix-by-columns": "sklearn",
    "sklearn-mixed": "sklearn",
    "xgboost-booster": "xgboost",
    "xgboost-classifier": "xgboost",
    "lightgbm-booster": "lightgbm",
    "catboost-classifier": "catboost",
    "statsmodels-formula": "statsmodels",
    "statsmodels-columns": "statsmodels",
    "onnx": "onnx",
}
"""Each folder, and the runtime that takes what is in it."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folders, and by name what MLflow was asked and what it answered."""
    folder = tmp_path_factory.mktemp("saved")
    site = sysconfig.get_paths()["purelib"]
    command = [str(python_of("mlflow")), str(HERE / "mlflow_folders.py"), site, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answered: dict[str, Any] = json.loads(done.stdout)
    return folder, answered


def source(folder: Path) -> Source:
    return read_source(folder, Options(), Host(folder.parent / "cache", "3.11", {}))


def served(found: Source, folder: Path) -> Replayer:
    """The server's layers over a folder, without sockets."""
    arguments: dict[str, Any] = {"options": found.reading.options, "signature": found.reading.signature}
    manifest = make_manifest(name="m", version="1", artifact=found.artifact, runtime=found.runtime.name, **arguments)
    (folder / "model").mkdir()
    (folder / "model" / found.artifact.name).symlink_to(found.artifact.source)
    (folder / "manifest.json").write_bytes(manifest)
    settings = Settings(manifest=str(folder / "manifest.json"))
    loaded = load_model(settings, 1, {})
    return Replayer(settings, loaded.router, loaded.dataplane)


def unwrapped(answer: Any, body: Any) -> Any:
    """What MLflow answers as rows of a frame with one column, which nobody named; or by column where rows were asked."""
    if isinstance(answer, dict) and "instances" in body:
        return [dict(zip(answer, row, strict=True)) for row in zip(*answer.values(), strict=True)]
    if isinstance(answer, list) and all(isinstance(row, dict) and set(row) == {"0"} for row in answer):
        return [row["0"] for row in answer]
    return answer


def test_all_are_known(saved):
    assert set(saved[1]) == {*ROUTED, "pickled-code", "code"}


@pytest.mark.parametrize("name", ROUTED)
def test_the_model_inside_answers_what_mlflow_answers(saved, tmp_path, name):
    folder, answered = saved
    found = source(folder / name)
    assert found.runtime.name == "mlflow"
    assert [carried for carried, _ in found.runtime.carries] == [ROUTED[name]]
    assert [item for item in found.reading.findings if item.severity == "danger"] == []
    server = served(found, tmp_path)
    for body, status, expected in answered[name]:
        response = server.post("/invocations", json.dumps(body).encode())
        assert response.status == status, (body, response.body, expected)
        if status == 200:
            answer = json.loads(response.body)["predictions"]
            assert differs(answer, unwrapped(expected["predictions"], body), tolerance=1e-6) == ""
    (example,) = find_examples(folder / name, None, ())
    together = server.post("/predict", json.dumps(example.request).encode())
    alone = [server.post("/predict", json.dumps([row]).encode()) for row in example.request]
    assert (together.status, {response.status for response in alone}) == (200, {200})
    rows = [json.loads(response.body)[0] for response in alone]
    assert differs(json.loads(together.body), rows, tolerance=1e-6) == ""


def test_code_that_was_pickled_is_named(saved):
    (finding,) = source(saved[0] / "pickled-code").reading.findings
    assert (finding.severity, finding.what) == ("danger", "code that was pickled with the model")
    assert finding.where.startswith("python_model.pkl; ")


def test_code_in_a_file_is_taken(saved):
    found = source(saved[0] / "code")
    assert (found.reading.findings, found.runtime.carries) == ((), ())
    assert [(spec.name, spec.datatype) for spec in found.reading.signature.inputs] == [
        ("size", "FP64"),
        ("age", "FP64"),
        ("floor", "INT64"),
    ]
