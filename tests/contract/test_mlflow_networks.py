"""Folders of MLflow's flavors whose frameworks are large: read by the builder, served in the framework's environment, held
against MLflow's own scoring app in its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import environments
from contract.clients.environment import HERE, python_of
from contract.test_mlflow_folders import source, unwrapped
from modelbuild.planning.manifest import make_manifest
from modelbuild_runtime.process.models.differences import differs

pytestmark = pytest.mark.slow

SCRIPTS = {"transformers": "mlflow_torch_folders.py", "spacy": "mlflow_spacy_folders.py"}
"""Environments of frameworks, and what saves folders with them. The one of Transformers has PyTorch."""

ROUTED = {
    **{
        f"{how}-{kind}-{width}": "pytorch"
        for how in ("pickled", "scripted")
        for kind in ("frame", "tensor")
        for width in ("one", "two")
    },
    "exported-tensor-one": "pytorch",
    "exported-tensor-two": "pytorch",
    "classes": "transformers",
    "classes-by-name": "transformers",
    "several-classes": "transformers",
    "masks": "transformers",
    "sentences": "transformers",
    "one-of": "spacy",
    "any-of": "spacy",
}
"""Each folder, and the runtime that takes what is in it."""

LEFT = ("one-class", "all-classes", "names", "vectors", "embeddings")
"""Folders of which MLflow answers something else than the runtime does."""

Saved = dict[str, tuple[Path, list[Any]]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """By name the folder, and what MLflow was asked and what it answered."""
    found: Saved = {}
    for framework, script in SCRIPTS.items():
        folder = tmp_path_factory.mktemp(framework)
        sites = [site_of(environments.python_of(framework))]
        if framework == "transformers":
            sites += [site_of(python_of("sentence_transformers")), Path(sysconfig.get_paths()["purelib"])]
        command = [str(python_of("mlflow")), str(HERE / script), os.pathsep.join(map(str, sites)), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found |= {name: (folder / name, asked) for name, asked in json.loads(done.stdout).items()}
    return found


def site_of(python: Path) -> Path:
    """The packages of an environment."""
    (packages,) = (python.parents[1] / "lib").glob("python3*/site-packages")
    return packages


@pytest.fixture(scope="module")
def answered(saved: Saved, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """By name what the server answers to the same, where the framework is: a status and a body each."""
    required = tmp_path_factory.mktemp("required")
    (required / "cloudpickle").symlink_to(site_of(python_of("mlflow")) / "cloudpickle")
    environment = {"PYTHONPATH": f"{environments.SERVER.parent}:{required}", "HF_HUB_OFFLINE": "1"}
    found = {}
    for framework in SCRIPTS:
        names = {name for name, runtime in ROUTED.items() if (runtime == "spacy") == (framework == "spacy")}
        roots = {name: str(with_manifest(saved[name][0], tmp_path_factory.mktemp(name))) for name in names}
        asked = {roots[name]: [["/invocations", body] for body, _, _ in saved[name][1]] for name in names}
        command = [str(environments.python_of(framework)), str(HERE / "replayed.py")]
        done = subprocess.run(
            command, input=json.dumps(asked), env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        answers = json.loads(done.stdout)
        found.update({name: answers[roots[name]] for name in names})
    return found


def with_manifest(folder: Path, root: Path) -> Path:
    """What an image has of a folder."""
    found = source(folder)
    arguments: dict[str, Any] = {"options": found.reading.options, "signature": found.reading.signature}
    manifest = make_manifest(name="m", version="1", artifact=found.artifact, runtime=found.runtime.name, **arguments)
    (root / "model").mkdir()
    (root / "model" / found.artifact.name).symlink_to(found.artifact.source)
    (root / "manifest.json").write_bytes(manifest)
    return root


def as_rows(answer: Any) -> Any:
    """Columns by name, in which several outputs answer "inputs", as the records that MLflow answers always."""
    if isinstance(answer, dict):
        return [dict(zip(answer, row, strict=True)) for row in zip(*answer.values(), strict=True)]
    return answer


def plain(answer: Any) -> Any:
    """A frame of one column, which nobody named, or which is named as the answer is, without the name."""
    if isinstance(answer, list) and all(isinstance(row, dict) and set(row) == {"predictions"} for row in answer):
        return [row["predictions"] for row in answer]
    return unwrapped(answer, {})


def test_all_are_known(saved: Saved) -> None:
    assert set(saved) == {*ROUTED, *LEFT}


@pytest.mark.parametrize("name", ROUTED)
def test_the_model_inside_answers_what_mlflow_answers(saved: Saved, answered: dict[str, list[Any]], name: str) -> None:
    for (body, status, expected), (ours, answer) in zip(saved[name][1], answered[name], strict=True):
        assert ours == status == 200, (body, answer, expected)
        assert differs(plain(as_rows(answer["predictions"])), plain(expected["predictions"]), tolerance=1e-6) == ""


@pytest.mark.parametrize("name", ROUTED)
def test_it_has_its_own_runtime_and_what_was_pickled_is_named(saved: Saved, name: str) -> None:
    found = source(saved[name][0])
    pickled = name.startswith("pickled")
    assert [carried for carried, _ in found.runtime.carries] == [ROUTED[name]]
    assert any(item.severity == "danger" for item in found.reading.findings) == pickled
    assert bool(found.reading.python) == pickled
    assert ("cloudpickle" in found.reading.requirements) == pickled


@pytest.mark.parametrize("name", LEFT)
def test_where_mlflow_answers_something_else_it_is_mlflow_that_answers(saved: Saved, name: str) -> None:
    found = source(saved[name][0])
    assert (found.reading.format, found.runtime.carries) == ("MLflow python_function", ())
