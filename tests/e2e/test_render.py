"""A rendered folder: plain `docker build` makes the same image of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import ANSWER, REQUEST, Project
from e2e.servers import ask, running

pytestmark = pytest.mark.docker

# The system's own command knows the engine's builders; another one on the path may have been put there without any.
DOCKER = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker")

needs_docker = pytest.mark.skipif(DOCKER is None, reason="the docker command is not installed")


def docker_build(folder: Path, reference: str, buildkit: str, *options: str, as_tar: bool = False) -> None:
    tar = subprocess.run(["tar", "-C", folder, "-c", "."], check=True, capture_output=True).stdout if as_tar else b""
    subprocess.run(
        [str(DOCKER), "build", *options, "--tag", reference, "-" if as_tar else str(folder)],
        env={**os.environ, "DOCKER_BUILDKIT": buildkit},
        input=tar,
        check=True,
        capture_output=True,
    )


@needs_docker
@pytest.mark.parametrize("buildkit", ["1", "0"], ids=["buildkit", "classic"])
def test_plain_docker_build_makes_the_same_image(
    mbuild: Mbuild,
    project: Project,
    image: Callable[..., str],
    client: Any,
    packaged: dict[str, Any],
    tmp_path: Path,
    buildkit: str,
) -> None:
    folder = tmp_path / "out"
    outcome = mbuild("render", project.model, "-H", project.handler, "-t", packaged["reference"], "-o", folder)
    assert outcome.out == f"{folder}\n"
    reference = image()
    docker_build(folder, reference, buildkit)
    built, theirs = client.images.get(reference), client.images.get(packaged["reference"])
    assert len(built.attrs["RootFS"]["Layers"]) == len(theirs.attrs["RootFS"]["Layers"])
    for key in ("Env", "Entrypoint", "Cmd", "User", "ExposedPorts", "Healthcheck", "StopSignal"):
        assert built.attrs["Config"][key] == theirs.attrs["Config"][key]
    learnt = {"mbuild.contract", "mbuild.verified"}
    assert built.labels == {key: value for key, value in theirs.labels.items() if key not in learnt}
    with running(client, reference) as (_, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)


@needs_docker
def test_the_folder_as_a_tar_gives_the_same_layers(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any, tmp_path: Path
) -> None:
    """Given a folder, BuildKit of Docker 20.10 writes the time of the build into folders, and keeps that in its cache."""
    reference, name = image(), ("--name", "same")
    mbuild("package", project.model, "-H", project.handler, "-t", reference, "--no-cache", *name)
    mbuild("render", project.model, "-H", project.handler, "-o", tmp_path / "out", *name)
    rendered = image()
    docker_build(tmp_path / "out", rendered, "1", "--no-cache", as_tar=True)
    assert client.images.get(rendered).attrs["RootFS"] == client.images.get(reference).attrs["RootFS"]


def test_without_an_engine_and_again_into_the_same_folder(mbuild: Mbuild, project: Project, tmp_path: Path) -> None:
    command = mbuild.having(DOCKER_HOST="unix:///nowhere.sock", CONTAINER_HOST="unix:///nowhere.sock", MBUILD_BASE="")
    folder = tmp_path / "out"
    assert command("render", project.model, "-H", project.handler, "-o", folder, "--json").json == {
        "folder": str(folder)
    }
    dockerfile = (folder / "Dockerfile").read_text()
    assert "ARG BASE=python:3." in dockerfile
    before = snapshot(folder)
    command("render", project.model, "-H", project.handler, "-o", folder)
    assert snapshot(folder) == before
    command("render", project.model, "-o", folder)
    assert not (folder / "handler").exists(), "what a rendering before this one wrote goes"


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, float]]:
    """Contents, modes and times: all of them end up in layers."""
    found = {path: path.stat() for path in folder.rglob("*") if path.name != ".mbuild-context"}
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", status.st_mode, status.st_mtime)
        for path, status in found.items()
    }


def test_somebody_elses_folder_is_not_touched(mbuild: Mbuild, project: Project, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    outcome = mbuild.fails(2, "render", project.model, "-o", tmp_path)
    assert str(tmp_path) in outcome.message
    assert "--output" in outcome.hint
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert "cannot be written" in mbuild.fails(2, "render", project.model, "-o", project.model).message


@needs_docker
def test_a_portable_folder_holds_no_packages_and_locks_them(mbuild: Mbuild, project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    mbuild("render", project.model, "-H", project.handler, "-o", folder, "--portable")
    assert not (folder / "dependencies").exists()
    lock = (folder / "requirements.lock").read_text()
    assert "onnxruntime==" in lock
    assert lock.count("--hash=sha256:") >= lock.count("==")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 6_000_000
    assert "pip install" in (folder / "Dockerfile").read_text()


@needs_docker
def test_a_portable_folder_builds_where_packages_can_be_fetched(
    mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any, tmp_path: Path
) -> None:
    builder = os.environ.get("MBUILD_TEST_PIP_BASE", "python:3.11")
    probe = [
        str(DOCKER),
        "run",
        "--rm",
        "--entrypoint",
        "python3",
        builder,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "-d",
        "/tmp",
        "six",
    ]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip(f"{builder} is not here, has no pip, or reaches no package index")
    folder = tmp_path / "out"
    mbuild("render", project.model, "-H", project.handler, "-o", folder, "--portable")
    reference = image()
    docker_build(folder, reference, "1", "--build-arg", f"BUILDER={builder}")
    assert json.loads(client.images.get(reference).labels["mbuild.requirements"])
    with running(client, reference) as (_, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)
