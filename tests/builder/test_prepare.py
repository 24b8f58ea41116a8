from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelbuild.artifact import Artifact, read_artifact
from modelbuild.declaration import Runtime
from modelbuild.dependencies.index import Index
from modelbuild.errors import RequirementError, UnsupportedModelError, UsageError
from modelbuild.formats.rules import parse_rules
from modelbuild.prepare import prepare
from modelbuild.runtime import Reading, builtin_runtimes, read

ONNX = next(runtime for runtime in builtin_runtimes() if runtime.name == "onnx")
OLD = Reading("x", prepare="it is old")
UPPER = """
import sys
from pathlib import Path
source, target = map(Path, sys.argv[1:])
target.write_bytes(source.read_bytes().upper())
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    (tmp_path / "model.x").write_bytes(b"weights")
    return read_artifact(tmp_path / "model.x", cache=tmp_path / "cache")


def runtime(tmp_path: Path, script: str, requirements: tuple[str, ...] = ()) -> Runtime:
    folder = tmp_path / "runtime"
    folder.mkdir(exist_ok=True)
    if script:
        (folder / "prepare.py").write_text(script)
    rules = parse_rules([{"glob": "*.x"}], "test")
    return Runtime("x", "X", "", rules, prepare_requirements=requirements, folder=folder)


def test_what_needs_nothing_stays_itself(artifact, tmp_path):
    assert prepare(runtime(tmp_path, ""), artifact, Reading("x"), cache=tmp_path) is artifact


def test_a_script_makes_the_new_artifact_under_the_old_name(artifact, tmp_path):
    made = prepare(runtime(tmp_path, UPPER), artifact, OLD, cache=tmp_path / "cache")
    assert made.name == "model.x"
    assert made.source.read_bytes() == b"WEIGHTS"
    assert made.digest != artifact.digest


def test_it_runs_once_for_equal_inputs(artifact, tmp_path):
    script = UPPER + f"\nopen({str(tmp_path / 'runs')!r}, 'a').write('x')"
    first = prepare(runtime(tmp_path, script), artifact, OLD, cache=tmp_path / "cache")
    assert prepare(runtime(tmp_path, script), artifact, OLD, cache=tmp_path / "cache") == first
    assert (tmp_path / "runs").read_text() == "x"
    prepare(runtime(tmp_path, script + "\n"), artifact, OLD, cache=tmp_path / "cache")
    assert (tmp_path / "runs").read_text() == "xx"


def test_folders_too(tmp_path):
    (tmp_path / "m" / "sub").mkdir(parents=True)
    (tmp_path / "m" / "sub" / "f").write_bytes(b"x")
    script = "import shutil, sys\nshutil.copytree(sys.argv[1], sys.argv[2])"
    whole = read_artifact(tmp_path / "m", cache=tmp_path / "cache")
    made = prepare(runtime(tmp_path, script), whole, OLD, cache=tmp_path / "cache")
    assert (made.is_folder, [file.path for file in made.files], made.digest) == (True, ["sub/f"], whole.digest)


@pytest.mark.parametrize(
    "script, message",
    [
        ("import sys; sys.exit('no way to upgrade Foo')", "cannot be: no way to upgrade Foo"),
        ("raise ValueError('bad')", "cannot be: ValueError: bad"),
        ("import os; os._exit(9)", "cannot be: exit status 9"),
        ("", "has no prepare.py"),
    ],
)
def test_failures_say_why(artifact, tmp_path, script, message):
    with pytest.raises(UnsupportedModelError) as caught:
        prepare(runtime(tmp_path, script), artifact, OLD, cache=tmp_path / "cache")
    assert message in caught.value.message
    assert "it is old" in caught.value.message
    assert not list((tmp_path / "cache").glob("trees/*/model.x"))


def test_a_script_that_writes_nothing(artifact, tmp_path):
    with pytest.raises(UsageError, match="wrote nothing"):
        prepare(runtime(tmp_path, "pass"), artifact, OLD, cache=tmp_path / "cache")


def test_a_script_sees_nothing_of_ours(artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "intruder.py").write_text("")
    for module in ("modelbuild", "numpy", "intruder"):
        with pytest.raises(UnsupportedModelError, match=f"No module named '{module}'"):
            prepare(runtime(tmp_path, f"import {module}"), artifact, OLD, cache=tmp_path / "cache")


def test_requirements_that_do_not_exist(artifact, tmp_path):
    index = Index(find_links=(str(tmp_path),), offline=True)
    with pytest.raises(RequirementError):
        prepare(runtime(tmp_path, UPPER, ("no-such-thing==1",)), artifact, OLD, cache=tmp_path / "cache", index=index)


def old_model() -> onnx.ModelProto:
    """A layer as operator set 6 wrote it: Gemm with ``broadcast``, which onnxruntime does not run."""
    weights = [
        numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w"),
        numpy_helper.from_array(np.ones(3, np.float32), "b"),
    ]
    listed = [("x", [1, 4]), ("w", [4, 3]), ("b", [3])]
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["g"], broadcast=1), helper.make_node("Relu", ["g"], ["y"])],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in listed],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=3)


def convert(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """The ONNX runtime's script with the packages of this environment."""
    command = [sys.executable, str(ONNX.folder / "prepare.py"), str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_old_onnx_model_is_upgraded_and_answers_the_same(tmp_path):
    import onnxruntime

    source, target = tmp_path / "old.onnx", tmp_path / "new.onnx"
    onnx.save(old_model(), source)
    assert read(ONNX, read_artifact(source, cache=tmp_path)).prepare
    outcome = convert(source, target)
    assert outcome.returncode == 0, outcome.stderr
    assert not read(ONNX, read_artifact(target, cache=tmp_path)).prepare
    given = np.array([[1, 2, 3, 4]], np.float32)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": given})[0].tolist() == [[61.0, 71.0, 81.0]]


def test_a_size_with_a_name_keeps_it(tmp_path):
    made = old_model()
    for item in (made.graph.input[0], made.graph.output[0]):
        item.type.tensor_type.shape.dim[0].dim_param = "batch"
    source, target = tmp_path / "old.onnx", tmp_path / "new.onnx"
    onnx.save(made, source)
    subprocess.run([sys.executable, ONNX.folder / "prepare.py", source, target], check=True, capture_output=True)
    upgraded = onnx.load(target)
    assert upgraded.opset_import[0].version == 13
    assert [
        item.type.tensor_type.shape.dim[0].dim_param for item in (upgraded.graph.input[0], upgraded.graph.output[0])
    ] == [
        "batch",
        "batch",
    ]


def test_an_operator_that_nobody_knows(tmp_path):
    made = old_model()
    made.graph.node[0].op_type = "Gremm"
    onnx.save(made, tmp_path / "old.onnx")
    outcome = convert(tmp_path / "old.onnx", tmp_path / "new.onnx")
    assert outcome.returncode == 1
    assert "no operator set works" in outcome.stderr.splitlines()[-1]
    assert not (tmp_path / "new.onnx").exists()


@pytest.mark.slow
def test_the_whole_of_it_in_an_environment_of_its_own(tmp_path):
    onnx.save(old_model(), tmp_path / "old.onnx")
    artifact = read_artifact(tmp_path / "old.onnx", cache=tmp_path / "cache")
    made = prepare(ONNX, artifact, read(ONNX, artifact), cache=tmp_path / "cache")
    assert read(ONNX, made).metadata["operator sets"] == "13"
    assert dataclasses.replace(made, name="old.onnx") == made
