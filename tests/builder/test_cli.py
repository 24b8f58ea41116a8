"""The command line: what goes where, how options come together, how errors end."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import types
from pathlib import Path

import pytest
import yaml
from onnx import TensorProto, helper

from modelbuild import __main__ as entry
from modelbuild import cli
from modelbuild.config import Options
from modelbuild.errors import MbuildError, UnsafeArtifactError
from modelbuild.registry.reference import parse


@pytest.fixture
def model(tmp_path: Path) -> Path:
    value = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["x"], ["y"])
    x, y = value("x", TensorProto.FLOAT, ["n", 3]), value("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([node], "g", [x], [y])
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        cli.main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, err


def test_results_go_to_stdout_and_nothing_else_does(capsys, model):
    code, out, err = run(capsys, "inspect", model, "--json")
    assert code == 0
    assert err == ""
    found = json.loads(out)
    assert found["runtime"] == "onnx"
    assert found["signature"]["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 3], "optional": False, "labels": []}
    ]


def test_without_json_a_person_can_read_it(capsys, model):
    _, out, _ = run(capsys, "inspect", model)
    assert "runtime: onnx" in out
    assert "input: x  FP32 [-1, 3]" in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["inspect", "missing.onnx"], 10, "missing.onnx does not exist"),
        (["inspect"], 2, "No model was given"),
        (["inspect", "--handlr", "x"], 2, "--handlr"),
        (["pack"], 2, "pack"),
        (["package", "missing.onnx"], 2, "no name"),
        (["push", "team/UPPER"], 2, "team/UPPER"),
    ],
)
def test_a_mistake_is_one_error_with_a_hint_and_a_code(capsys, monkeypatch, tmp_path, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    ended, out, err = run(capsys, *arguments)
    assert ended == code
    assert out == ""
    assert err.startswith("error: ")
    assert says in err
    assert "hint: " in err
    assert "Traceback" not in err


def seen_options(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    seen: list[Options] = []

    def read_source(_: Path, options: Options, __: object) -> None:
        seen.append(options)
        raise MbuildError("enough")

    monkeypatch.setattr(cli, "read_source", read_source)
    return seen


def test_a_flag_beats_the_environment_beats_the_file(capsys, monkeypatch, model):
    (model.parent / "mbuild.yaml").write_text("python: '3.9'\nname: file\nmodel-version: '7'\n")
    monkeypatch.setenv("MBUILD_PYTHON", "3.10")
    monkeypatch.setenv("MBUILD_NAME", "environment")
    seen = seen_options(monkeypatch)
    run(capsys, "inspect", model, "--python", "3.12")
    assert (seen[0].python, seen[0].name, seen[0].model_version) == ("3.12", "environment", "7")


def test_a_flag_that_is_not_given_leaves_the_files_true(capsys, monkeypatch, model):
    (model.parent / "mbuild.yaml").write_text("allow-unsafe: true\nrequirement: [pandas]\n")
    seen = seen_options(monkeypatch)
    run(capsys, "inspect", model)
    assert seen[0].allow_unsafe is True
    assert seen[0].requirement == ("pandas",)


def test_the_model_may_be_a_key_of_the_file(capsys, monkeypatch, model):
    (model.parent / "mbuild.yaml").write_text("model: model.onnx\n")
    monkeypatch.chdir(model.parent)
    code, out, _ = run(capsys, "inspect", "--json")
    assert code == 0
    assert json.loads(out)["artifact"]["name"] == "model.onnx"


def test_config_names_another_file(capsys, monkeypatch, model):
    other = model.parent / "other.yaml"
    other.write_text("name: other\n")
    seen = seen_options(monkeypatch)
    run(capsys, "inspect", model, "--config", other)
    assert seen[0].name == "other"


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (UnsafeArtifactError("no", hint="h"), 12)])
def test_how_it_ends(capsys, monkeypatch, model, raised, code):
    def read_source(*_: object) -> None:
        raise raised

    monkeypatch.setattr(cli, "read_source", read_source)
    ended, out, err = run(capsys, "inspect", model)
    assert (ended, out) == (code, "")
    assert err


def test_runtimes_are_listed(capsys):
    code, out, _ = run(capsys, "runtimes", "--json")
    assert code == 0
    listed = {item["name"]: item for item in json.loads(out)}
    assert {"onnx", "sklearn"} <= listed.keys()
    assert listed["tensorflow"]["options"].keys() == {"threads", "signature"}
    assert "threads, signature" in run(capsys, "runtimes")[1]


def test_init_leaves_a_model_alone_whose_inputs_it_cannot_declare(capsys, tmp_path):
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.STRING, ["n", 3]), value("y", TensorProto.STRING, ["n", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    code, out, _ = run(capsys, "init", tmp_path / "m.onnx")
    assert code == 0
    assert [Path(line).name for line in out.split()] == ["mbuild.yaml"]
    assert run(capsys, "inspect", tmp_path / "m.onnx")[0] == 0


def test_ctrl_c_while_modules_are_imported_is_no_traceback(monkeypatch):
    class Slow(types.ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "modelbuild.cli", Slow("modelbuild.cli"))
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 130


@pytest.mark.parametrize("name", ["Modèle final_v2.onnx", "new  model (3).onnx", "_.onnx", "a__b.onnx"])
def test_init_writes_a_tag_that_package_takes(capsys, model, name):
    run(capsys, "init", model.rename(model.with_name(name)))
    tag = yaml.safe_load((model.parent / "mbuild.yaml").read_text())["tag"]
    assert parse(tag).tag == "latest"


def test_init_writes_what_package_reads_and_overwrites_only_when_told(capsys, model):
    code, out, _ = run(capsys, "init", model)
    assert code == 0
    assert [Path(line).name for line in out.split()] == ["mbuild.yaml", "features.py"]
    code, out, _ = run(capsys, "inspect", model, "--json")
    assert code == 0
    assert json.loads(out)["handler"]["module"] == "features"
    (model.parent / "features.py").write_text("mine = 1\n")
    code, _, err = run(capsys, "init", model)
    assert code == 2
    assert "exists" in err
    assert (model.parent / "features.py").read_text() == "mine = 1\n"
    assert run(capsys, "init", model, "--force")[0] == 0


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(28, "No space left on device"), 24, "The disk is full."),
        (OSError(28, "No space left on device", "/cache/x"), 24, "The disk is full: /cache/x."),
        (PermissionError(13, "Permission denied", "/cache/x"), 1, "/cache/x cannot be used: Permission denied."),
    ],
)
def test_what_this_machine_refuses_is_an_error_like_others(capsys, monkeypatch, model, error, code, says):
    def read_source(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "read_source", read_source)
    ended, out, err = run(capsys, "inspect", model)
    assert (ended, out) == (code, "")
    assert f"error: {says}" in err
    assert "MBUILD_CACHE" in err


@pytest.fixture
def signals():
    """Handlers as they were, afterwards: a process that was told to end listens no more. Nothing is ignored meanwhile,
    as it is in a process that runs in the background or under nohup.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
@pytest.mark.usefixtures("signals")
def test_a_signal_lets_everything_clean_up_although_it_comes_twice(capsys, monkeypatch, model, number, code):
    seen = []

    def read_source(*_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            seen.append("cleaned up")

    monkeypatch.setattr(cli, "read_source", read_source)
    assert run(capsys, "inspect", model)[0] == code
    assert seen == ["cleaned up"]


def test_signals_are_as_before_when_nothing_happened(capsys, model, signals):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup mbuild ...
    run(capsys, "inspect", model)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signals[signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is signals[signal.SIGTERM]
