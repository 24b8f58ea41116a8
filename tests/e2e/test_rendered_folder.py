"""A rendered folder builds with plain ``docker build``, with the classic builder and with BuildKit."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from builder.values import BASE, LOCK, example_plan, make_trees
from modelbuild.planning.context import Context
from modelbuild.planning.dockerfile import render, render_stage
from modelbuild.planning.plan import Plan

pytestmark = pytest.mark.docker

BASE_NAME = "mbuild-test-render:base"
HARD = "say \"hi\" to $HOME ${X:-y} \\ \\n `id` # 'é' \\"
# A system's own command knows the engine's builders; another one on the path may have been put there without any.
DOCKER = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker") or "docker"


@pytest.fixture(scope="module")
def base():
    """A base of one file: nothing is run in it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("base"))
    subprocess.run([DOCKER, "import", "-", BASE_NAME], input=content.getvalue(), check=True, capture_output=True)
    yield replace(BASE, reference=BASE_NAME, digest="")
    subprocess.run([DOCKER, "image", "rm", "--force", BASE_NAME], check=True, capture_output=True)


@pytest.fixture
def plan(base, tmp_path) -> Plan:
    return example_plan(tmp_path / "sources", base=base, environment={"MOTTO": HARD}, labels={"test.motto": HARD})


@pytest.fixture
def build():
    """``build(source, name)`` builds a folder or a context's tar without cache, and returns the image's description.
    The images go in the end.
    """
    made: list[str] = []

    def run(source: Path | Context, name: str, *, buildkit: bool) -> dict:
        reference = f"mbuild-test-render:{name}"
        folder, tar = (str(source), b"") if isinstance(source, Path) else ("-", b"".join(source.tar()))
        subprocess.run(
            [DOCKER, "build", "--no-cache", "--tag", reference, folder],
            env={**os.environ, "DOCKER_BUILDKIT": str(int(buildkit)), "BUILDKIT_PROGRESS": "plain"},
            input=tar,
            check=True,
            capture_output=True,
        )
        made.append(reference)
        answer = subprocess.run([DOCKER, "image", "inspect", reference], check=True, capture_output=True)
        return json.loads(answer.stdout)[0]

    yield run
    if made:
        subprocess.run([DOCKER, "image", "rm", "--force", *reversed(made)], check=True, capture_output=True)


both_builders = pytest.mark.parametrize("buildkit", [False, True], ids=["classic", "buildkit"])


def layers(image: dict) -> list[str]:
    return image["RootFS"]["Layers"]


@both_builders
def test_plain_docker_build_takes_a_rendered_folder(plan, build, tmp_path, buildkit):
    Context(plan, render(plan), make_trees(tmp_path / "sources"), LOCK).write(tmp_path / "folder")
    image = build(tmp_path / "folder", "folder", buildkit=buildkit)
    settings = image["Config"]
    assert len(layers(image)) == 1 + len(plan.layers)
    assert f"MOTTO={HARD}" in settings["Env"]
    assert settings["Labels"] == dict(plan.labels)
    assert settings["User"] == "65532:0"
    assert settings["Entrypoint"] == ["python3", "-m", "modelbuild_runtime"]
    assert settings["Cmd"] == ["serve"]
    assert settings["StopSignal"] == "SIGTERM"
    assert list(settings["ExposedPorts"]) == ["8001/tcp", "8080/tcp"]
    assert settings["Healthcheck"]["Test"] == ["CMD", *plan.healthcheck.command]


@both_builders
def test_equal_contexts_give_equal_layers(plan, build, tmp_path, buildkit):
    found = [
        layers(build(Context(plan, render(plan), make_trees(tmp_path / name), LOCK), name, buildkit=buildkit))
        for name in ("one", "two")
    ]
    assert found[0] == found[1]


@both_builders
def test_a_stage_and_the_rest_have_the_layers_of_the_whole(plan, build, tmp_path, buildkit):
    trees = make_trees(tmp_path / "sources")
    names = [layer.name for layer in plan.layers]
    whole = build(Context(plan, render(plan), trees, LOCK), "whole", buildkit=buildkit)
    first = render_stage(plan, BASE_NAME, names[:3], final=False)
    stage = build(Context(plan, first, trees, LOCK), "stage", buildkit=buildkit)
    second = render_stage(plan, "mbuild-test-render:stage", names[3:], final=True)
    rest = build(Context(plan, second, trees, LOCK), "rest", buildkit=buildkit)
    assert layers(stage) == layers(whole)[:4]
    assert layers(rest) == layers(whole)
    assert rest["Config"] == {**whole["Config"], "Image": rest["Config"].get("Image")}
