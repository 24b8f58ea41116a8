"""A model of an old scikit-learn, which wants an older Python: on a base made for it, or refused with the reason."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from builder.opcodes import ESTIMATOR, text, whole
from e2e.command import Mbuild
from e2e.servers import ask, running
from e2e.traces import Traces
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]

OLD, PYTHON = "0.24.2", "3.9"
TRAIN = """
import json, sys
import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

flowers, kinds = load_iris(return_X_y=True)
forest = RandomForestClassifier(10, random_state=0).fit(flowers, kinds)
joblib.dump(forest, sys.argv[1])
print(json.dumps([flowers[::25].tolist(), forest.predict_proba(flowers[::25]).tolist()]))
"""


@pytest.fixture
def old_base(mbuild: Mbuild, client: Any, worker: str) -> Iterator[str]:
    """A base of the Python that the old version runs on, made of the one of this machine."""
    binary = find_interpreter(PYTHON)
    if binary is None:
        pytest.skip(f"there is no Python {PYTHON} on this machine")
    prefix = binary.resolve().parent.parent
    made, name = f"mbuild-e2e-made-{worker}:{PYTHON}", f"mbuild-e2e-base-{worker}:{PYTHON}"
    mbuild("base", "--python", PYTHON, "--prefix", prefix, "--tag", made)
    dockerfile = f"FROM {made}\nLABEL {Traces.LABEL}={worker}\n"  # what is made of it goes with the session
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True, forcerm=True)
    client.images.remove(made, force=True)
    yield name
    client.images.remove(name, force=True)


def train(folder: Path) -> tuple[Path, list[Any], list[Any]]:
    """A forest of the old version, what it is asked, and its own answers."""
    wanted = (f"scikit-learn=={OLD}", "numpy<2", "joblib")
    command = [find_uv_bin(), "run", "--quiet", "--no-project", "--python", str(find_interpreter(PYTHON))]
    command += ["--no-build-package", "scikit-learn"]
    command += [part for requirement in wanted for part in ("--with", requirement)]
    done = subprocess.run(
        [*command, "python", "-c", TRAIN, str(folder / "old.joblib")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows, chances = json.loads(done.stdout)
    return folder / "old.joblib", rows, chances


def test_on_a_base_of_its_python(mbuild: Mbuild, image: Image, client: Any, old_base: str, tmp_path: Path) -> None:
    model, rows, chances = train(tmp_path)
    packaged = mbuild("package", model, "--base", old_base, "-t", image(), "--json").json
    assert f"scikit-learn=={OLD}" in json.loads(client.images.get(packaged["reference"]).labels["mbuild.requirements"])
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", rows)
    assert status == 200
    assert differs([row["probabilities"] for row in answer], chances, tolerance=1e-12) == ""


@pytest.mark.parametrize(
    "version, code, message, hint",
    [
        ("0.24.2", 15, ", but scikit-learn 0.24.2 needs Python 3.9.", "another --base"),
        ("0.20.1", 13, "was written by scikit-learn 0.20.1; 0.24 is the oldest that an image can have.", "skl2onnx"),
    ],
)
def test_what_no_image_can_run(
    mbuild: Mbuild, base: str, tmp_path: Path, version: str, code: int, message: str, hint: str
) -> None:
    (tmp_path / "old.pkl").write_bytes(whole(ESTIMATOR + b"}(" + text("_sklearn_version") + text(version) + b"ub"))
    outcome = mbuild.fails(code, "package", tmp_path / "old.pkl", "--base", base, "-t", "refused:1")
    assert message in outcome.message
    assert hint in outcome.hint
