"""What ``--optimize`` refuses before anything is spent, what it says, and the trial itself with a small engine."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.samples import onnx_classifier
from modelbuild import optimise
from modelbuild.artifact import read_artifact
from modelbuild.config import Options
from modelbuild.errors import RequirementError, UnsupportedModelError, UsageError
from modelbuild.handlers.handler import Handler
from modelbuild.host import Host
from modelbuild.optimisation import Optimisation
from modelbuild.optimise import Trial, optimised, require_possible
from modelbuild.planning.labels import optimised_labels
from modelbuild.planning.manifest import Example, make_manifest
from modelbuild.planning.plan import Tree
from modelbuild.runtime import Reading, builtin_runtimes
from modelbuild.signature import Signature
from modelbuild.source import Source

WEIGHTS = Reading("weights", needs="build_model")
RUNTIMES = {runtime.name: runtime for runtime in builtin_runtimes()}
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORM = optimise._ARCHITECTURES.get(optimise.platform.machine(), "linux/amd64")


def source(tmp_path: Path, runtime: str = "sklearn", handler: Handler | None = None) -> Source:
    (tmp_path / "m.joblib").write_bytes(b"model")
    artifact = read_artifact(tmp_path / "m.joblib", cache=tmp_path / "cache")
    return Source(artifact, RUNTIMES[runtime], Reading("joblib"), handler)


def test_every_runtime_that_has_a_way_says_what_runs_the_result():
    ways = [runtime for runtime in RUNTIMES.values() if (runtime.folder / "optimise.py").is_file()]
    assert {"onnx", "sklearn", "xgboost", "lightgbm", "catboost"} <= {runtime.name for runtime in ways}
    assert all(runtime.optimise.runtime in RUNTIMES for runtime in ways)


@pytest.mark.parametrize(
    "changes, options, count, message, hint",
    [
        ({}, {}, 0, "there is none", "--example request.json"),
        ({"runtime": "statsmodels"}, {}, 1, "'statsmodels' knows no quicker form", "Leave out"),
        ({}, {"platform": "linux/riscv64"}, 1, "measures on this machine, which is no linux/riscv64", "leave out"),
        ({"handler": Handler("h", "functions", ("load", "predict"), ())}, {}, 1, "function predict gets the model", ""),
        ({"handler": Handler("h", "functions", ("explain",), ())}, {}, 1, "function explain gets", "preprocess"),
        ({"handler": Handler("h", "sagemaker", ("model_fn",), ())}, {}, 1, "functions get the model", ""),
    ],
)
def test_what_cannot_be_tried_is_refused(tmp_path, changes, options, count, message, hint):
    with pytest.raises(UsageError) as caught:
        require_possible(source(tmp_path, **changes), Options(**{"platform": PLATFORM, **options}), count)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_handler_of_features_is_no_hindrance(tmp_path):
    handler = Handler("h", "functions", ("load", "preprocess", "postprocess"), ())
    require_possible(source(tmp_path, handler=handler), Options(platform=PLATFORM), 1)


def test_a_python_that_is_not_here(tmp_path):
    with pytest.raises(RequirementError, match=r"Python 3\.2, and this machine has none"):
        optimised(Trial(source(tmp_path), b"{}", "3.2"), Options(), Host(tmp_path, HERE, {}))


CHECKED = {"examples": 2, "rows": 300, "largest": 6.6e-7, "undecided": 0, "refused": {}}
TIMES = {"1": {"original": 3000.0, "candidate": 10.0}, "32": {"original": 3200.0, "candidate": 40.0}}
KEPT = {"name": "ONNX", "reason": "", "checked": CHECKED, "microseconds": TIMES}
LOST = {"name": "ONNX, 32-bit floats", "reason": "it answers otherwise: label[0] is 1 instead of 0"}


def test_the_verdict_in_numbers():
    outcome = Optimisation("sha256:1", "joblib", 1e-4, {"kept": "ONNX", "tried": [LOST, KEPT]})
    first, second = outcome.lines
    assert first == "not kept: ONNX, 32-bit floats: it answers otherwise: label[0] is 1 instead of 0"
    assert second == (
        "kept: ONNX instead of joblib: 10 instead of 3000 µs for 1 row (300.0 times as fast), 40 instead of 3200 µs for "
        "32 rows (80.0 times as fast); equal within 0.0001 on 2 examples and 300 rows (numbers differ by 6.6e-07 at most)"
    )
    told = json.loads(optimised_labels(outcome)["mbuild.optimised"])
    assert (told["kept"], told["original"]["digest"], len(told["tried"])) == ("ONNX", "sha256:1", 2)


def test_the_original_is_kept_in_words_too():
    outcome = Optimisation("sha256:1", "joblib", 1e-4, {"kept": "", "tried": [LOST]})
    assert list(outcome.lines)[-1] == "kept: the original, joblib"
    assert outcome.to_json()["kept"] == "original"
    assert optimised_labels(None) == {}


@pytest.fixture
def forest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Trial, Host]:
    """A real forest; its packages are those beside the tests instead of ones that are fetched."""
    import joblib
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    rows = np.random.default_rng(0).normal(size=(60, 3))
    joblib.dump(RandomForestClassifier(40, random_state=0).fit(rows, rows[:, 0] > 0), tmp_path / "m.joblib")
    packages = Path(np.__file__).parents[1]
    monkeypatch.setattr(optimise, "_dependencies", lambda *_: Tree("dependencies", (), "sha256:0"))
    lay_out = optimise.lay_out

    def with_packages(folder: Path, trees: Any) -> Path:
        (folder / "opt/mbuild").mkdir(parents=True)
        (folder / "opt/mbuild/deps").symlink_to(packages)
        return lay_out(folder, trees)

    monkeypatch.setattr(optimise, "lay_out", with_packages)
    artifact = read_artifact(tmp_path / "m.joblib", cache=tmp_path / "cache")
    made = Source(artifact, RUNTIMES["sklearn"], Reading("joblib"), None)
    manifest = make_manifest(
        name="m", version="1", artifact=artifact, runtime="sklearn", examples=[Example(rows[:8].tolist())]
    )
    return Trial(made, manifest, HERE), Host(tmp_path / "cache", HERE, {})


def test_a_trial_in_a_process_of_its_own(forest, monkeypatch):
    trial, host = forest
    found, outcome = optimised(trial, Options(), host)
    assert outcome.kept, list(outcome.lines)
    assert (found.runtime.name, found.artifact.name, found.reading.format) == ("onnx", "model.onnx", "onnx")
    assert [spec.name for spec in found.reading.signature.outputs] == ["label", "probabilities"]
    assert found.reading.name == "m.joblib"
    assert "stands_for" in found.reading.options
    monkeypatch.setattr(optimise, "_run", lambda *_: pytest.fail("an equal question is answered from the cache"))
    again, same = optimised(trial, Options(), host)
    assert (again.artifact.digest, same) == (found.artifact.digest, outcome)


@pytest.mark.parametrize("functions, stays", [(("build_model",), False), (("build_model", "preprocess"), True)])
def test_a_handler_that_has_only_the_original_s_code_goes_with_it(tmp_path, functions, stays):
    made = replace(source(tmp_path, "pytorch", Handler("h", "functions", functions, ())), reading=WEIGHTS)
    (tmp_path / "model.onnx").write_bytes(onnx_classifier())
    report = {"signature": Signature().to_json(), "runtime": {"options": {}}}
    host = Host(tmp_path / "cache", HERE, {})
    found = optimise._replaced(made, RUNTIMES["onnx"], tmp_path / "model.onnx", report, host)
    assert (found.handler is not None) == stays


def test_why_a_trial_cannot_be_held(forest):
    trial, host = forest
    broken = Trial(
        trial.source, trial.manifest.replace(b'"m.joblib"', b'"gone.joblib"').replace(b"model/m", b"model/x"), HERE
    )
    with pytest.raises(UnsupportedModelError) as caught:
        optimised(broken, Options(), host)
    assert caught.value.message.startswith("m.joblib cannot be optimised: the model ")
    assert caught.value.message.endswith("x.joblib is not there")
    assert "Leave out --optimize" in caught.value.hint
