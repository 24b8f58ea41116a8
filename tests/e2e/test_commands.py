"""What each command prints where, and where options come from."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import ANSWER, REQUEST, Project
from e2e.servers import ask, running
from modelbuild.planning.plan import Plan

pytestmark = pytest.mark.docker

COMMANDS = ("package", "inspect", "plan", "render", "serve", "verify", "push", "base", "runtimes", "init", "doctor")
NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "CONTAINER_HOST": "unix:///nowhere/podman.sock"}


def title(plan: Any) -> str:
    found: str = plan["labels"]["org.opencontainers.image.title"]
    return found


def test_help_names_every_command(mbuild: Mbuild) -> None:
    said = mbuild("--help").out
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert mbuild("package", "-h").out.startswith("Usage: mbuild package [OPTIONS] [MODEL]")


def test_inspect_for_people(mbuild: Mbuild, project: Project) -> None:
    outcome = mbuild("inspect", project.model, "-H", project.handler)
    lines = outcome.out.splitlines()
    assert lines[0].startswith("model.onnx: onnx, ")
    assert lines[1].startswith("runtime: onnx (ONNX")
    assert "input: x  FP32 [-1, 2]" in lines
    assert "output: y  FP32 [-1, 1]" in lines
    assert "handler: features (functions: preprocess, postprocess)" in lines
    assert outcome.err == ""


def test_inspect_for_programs(mbuild: Mbuild, project: Project) -> None:
    found = mbuild("inspect", project.model, "-H", project.handler, "--json").json
    assert found["runtime"] == "onnx"
    assert found["artifact"]["size"] == project.model.stat().st_size
    assert found["signature"]["inputs"][0]["name"] == "x"
    assert found["findings"] == []
    assert found["handler"]["entry_points"] == ["preprocess", "postprocess"]
    assert found["handler"]["files"] == ["features.py"]


def test_a_plan_is_a_value_and_the_packaged_one(mbuild: Mbuild, project: Project, packaged: dict[str, Any]) -> None:
    found = mbuild("plan", project.model, "-H", project.handler, "-t", packaged["reference"]).json
    plan = Plan.from_json(found)
    assert plan.to_json() == found
    assert plan.digest == packaged["plan"]
    assert [layer.name for layer in plan.layers] == ["dependencies", "server", "model", "handler", "manifest"]
    assert str(mbuild.folder.parent) not in json.dumps(found), "a path of this machine is in the plan"


def test_a_plan_needs_no_engine(mbuild: Mbuild, project: Project) -> None:
    found = mbuild.having(**NOWHERE, MBUILD_BASE="")("plan", project.model, "-H", project.handler).json
    assert found["base"]["reference"].startswith("python:3.")
    assert found["base"]["digest"] == ""
    assert title(found) == "default", "'model' would hide a route of the server"


def test_runtimes(mbuild: Mbuild) -> None:
    assert {"onnx", "sklearn"} <= {line.split()[0] for line in mbuild("runtimes").out.splitlines()[1:]}
    listed = mbuild("runtimes", "--json").json
    assert {"onnx", "sklearn"} <= {item["name"] for item in listed}
    assert set(listed[0]) == {"name", "title", "summary", "python", "options"}


def test_doctor_sees_an_engine_a_base_a_resolver_and_the_space(mbuild: Mbuild) -> None:
    with mbuild.start("doctor", "--json") as running_doctor:
        outcome = running_doctor.outcome()
    found = {item["what"]: item for item in outcome.json}
    assert "Docker" in found["build engine"]["seen"]
    assert "Python 3." in found["base image"]["seen"]
    assert all(found[name]["ok"] for name in ("build engine", "base image", "resolver"))
    assert " free at " in found["space for the cache"]["seen"]
    assert outcome.code == (0 if found["space for the cache"]["ok"] else 1)


def test_doctor_says_what_is_missing_and_how_to_mend_it(mbuild: Mbuild) -> None:
    outcome = mbuild.having(**NOWHERE)("doctor", code=1)
    missing = [line for line in outcome.out.splitlines() if line.startswith("MISS")]
    assert "No build engine is reachable" in missing[0]
    assert "DOCKER_HOST" in outcome.out


def test_init_then_package_without_a_word(mbuild: Mbuild, project: Project, client: Any) -> None:
    project.handler.unlink()
    project.example.unlink()
    model = project.model.rename(project.folder / "mbuild-e2e-init.onnx")
    written = mbuild("init", model.name).out.split()
    assert written == ["mbuild.yaml", "features.py"]
    try:
        packaged = mbuild("package", "--json").json
        assert packaged["reference"] == "mbuild-e2e-init:latest"
        with running(client, "mbuild-e2e-init:latest") as (_, address):
            assert ask(address, "/predict", {"x": [2.5, 4.0]}) == (200, {"y": [18.0]})
    finally:
        client.images.remove("mbuild-e2e-init:latest", force=True)
    project.handler.write_text("mine\n")
    assert "features.py exists" in mbuild.fails(2, "init", model.name).message.replace("mbuild.yaml", "features.py")
    assert project.handler.read_text() == "mine\n"
    mbuild("init", model.name, "--force")
    assert "def preprocess" in project.handler.read_text()


def test_everything_in_mbuild_yaml(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any, tmp_path: Path
) -> None:
    """Its paths are relative to it, wherever the command is started."""
    (project.folder / "table.csv").write_text("1,2\n")
    (project.folder / "ask").mkdir()
    project.example.rename(project.folder / "ask" / "first.json")
    reference = image()
    (project.folder / "mbuild.yaml").write_text(
        f"""\
model: model.onnx
handler: features.py
data: [table.csv]
tag: {reference}
name: from-the-file
model-version: "7"
example: [ask/first.json]
tolerance: 1e-3
env: {{GREETING: "hello = $HOME"}}
label: [team.name=risk]
requirement: ["numpy<1000"]
python: 3.11
no_cache: false
"""
    )
    (tmp_path / "elsewhere").mkdir()
    packaged = mbuild("package", project.folder / "model.onnx", "--json").json
    assert packaged["reference"] == reference
    details = client.images.get(reference)
    assert "GREETING=hello = $HOME" in details.attrs["Config"]["Env"]
    assert details.labels["team.name"] == "risk"
    assert [example["name"] for example in packaged["verification"]["examples"]] == ["first.json"]
    with running(client, reference) as (container, address):
        assert ask(address, "/v2/models/from-the-file/versions/7/ready")[0] == 200
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)
        assert container.exec_run(["python3", "-c", "print(open('/opt/mbuild/handler/table.csv').read())"])[0] == 0


def test_a_flag_wins_over_the_environment_and_that_over_mbuild_yaml(mbuild: Mbuild, project: Project) -> None:
    (project.folder / "mbuild.yaml").write_text("model: model.onnx\nname: from-yaml\nlabel: {who: yaml}\n")
    environment = mbuild.having(MBUILD_NAME="from-environment")
    assert title(mbuild("plan").json) == "from-yaml"
    assert title(environment("plan").json) == "from-environment"
    flagged = environment("plan", "--name", "from-flag").json
    assert title(flagged) == "from-flag"
    assert flagged["labels"]["who"] == "yaml"


def test_an_option_that_is_true_in_the_file_can_be_turned_off(
    mbuild: Mbuild, project: Project, image: Callable[..., str]
) -> None:
    (project.folder / "mbuild.yaml").write_text(
        f"model: model.onnx\nhandler: features.py\nno-verify: yes\ntag: {image()}"
    )
    assert mbuild("package", "--json").json["verification"] is None
    assert mbuild.having(MBUILD_NO_VERIFY="0")("package", "--json").json["verification"] is not None


def test_another_config_file(mbuild: Mbuild, project: Project) -> None:
    (project.folder / "mbuild.yaml").write_text("nonsense: 1\n")
    (project.folder / "other.yaml").write_text("model: model.onnx\nname: other\n")
    assert title(mbuild("plan", "--config", "other.yaml").json) == "other"


def test_a_requirement_in_mbuild_yaml(mbuild: Mbuild, project: Project) -> None:
    (project.folder / "mbuild.yaml").write_text("requirement: [mbuild-e2e-nowhere]\n")
    assert "mbuild-e2e-nowhere" in mbuild.fails(15, "plan", project.model).message


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("handlr: features.py\n", "unknown key 'handlr'", "'handler'"),
        ("no_verfy: true\n", "unknown key 'no_verfy'", "'no-verify'"),
        ("- model.onnx\n", "holds a list", "keys and values"),
        ("model: [\n", "cannot be read", ""),
        ("tolerance: much\n", "'tolerance' cannot be 'much'", "float"),
        ("push: perhaps\n", "'push' cannot be 'perhaps'", "true or false"),
        ("tag: [a, b]\n", "'tag'", ""),
    ],
)
def test_a_wrong_config_file(mbuild: Mbuild, project: Project, text: str, message: str, hint: str) -> None:
    (project.folder / "mbuild.yaml").write_text(text)
    outcome = mbuild.fails(2, "package", project.model, "-t", "mbuild-e2e-never:1")
    assert message in outcome.message
    assert hint in outcome.hint


def test_no_model(mbuild: Mbuild) -> None:
    outcome = mbuild.fails(2, "package", "-t", "mbuild-e2e-never:1")
    assert outcome.message == "No model was given."
    assert "mbuild package MODEL" in outcome.hint


@pytest.mark.parametrize("arguments", [("pakage",), ("package", "--handlr", "x"), ("package", "--tolerance", "much")])
def test_a_wrong_command_line(mbuild: Mbuild, arguments: tuple[str, ...]) -> None:
    outcome = mbuild.fails(2, *arguments)
    assert arguments[-1] in outcome.message or arguments[-2] in outcome.message
    assert "--help" in outcome.hint


def test_a_reader_that_goes_away(mbuild: Mbuild, project: Project) -> None:
    command = [sys.executable, "-m", "modelbuild", "inspect", project.model.name, "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=project.folder, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == ""


def test_a_live_bar_on_a_terminal_and_only_the_result_on_stdout(
    mbuild: Mbuild, project: Project, image: Callable[..., str]
) -> None:
    reference = image()
    screen, terminal = pty.openpty()
    environment = {**os.environ, **mbuild.environment, "TERM": "xterm-256color", "TMPDIR": str(mbuild.temporary)}
    for name in ("NO_COLOR", "CI"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "modelbuild", "package", project.model.name, "-H", "features.py", "-t", reference]
    with subprocess.Popen(
        command, cwd=project.folder, env=environment, stdout=subprocess.PIPE, stderr=terminal, text=True
    ) as process:
        os.close(terminal)
        seen = b""
        while piece := _read(screen):
            seen += piece
        assert process.stdout is not None
        assert process.stdout.read() == f"{reference}\n"
    os.close(screen)
    text = seen.decode()
    assert process.returncode == 0
    assert "\x1b[" in text
    assert "✓ Verifying" in text
    assert "dependencies" in text


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # the other end is closed
        return b""
