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
from modelbuild_runtime.process.differences import differs
from modelbuild_runtime.process.model import load_model
from modelbuild_runtime.process.replay import Replayer
from modelbuild_runtime.settings import Settings

pytestmark = pytest.mark.slow

ROUTED = {
    "sklearn": "sklearn",
    "sklearn-pickle": "sklearn",
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


def unwrapped(answer: Any) -> Any:
    """What MLflow answers as rows of a frame with one column, which nobody named."""
    if isinstance(answer, list) and all(isinstance(row, dict) and set(row) == {"0"} for row in answer):
        return [row["0"] for row in answer]
    return answer


def test_all_are_known(saved):
    assert set(saved[1]) == {*ROUTED, "pickled-code", "code"}


@pytest.mark.parametrize("name", ROUTED)
def test_the_model_inside_answers_what_mlflow_answers(saved, tmp_path, name):
    folder, answered = saved
    body, status, expected = answered[name]
    assert status == 200
    found = source(folder / name)
    assert found.runtime.name == "mlflow"
    assert [carried for carried, _ in found.runtime.carries] == [ROUTED[name]]
    assert [item for item in found.reading.findings if item.severity == "danger"] == []
    response = served(found, tmp_path).post("/invocations", json.dumps(body).encode())
    assert response.status == 200, response.body
    assert differs(json.loads(response.body)["predictions"], unwrapped(expected["predictions"]), tolerance=1e-6) == ""
