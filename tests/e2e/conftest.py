"""The real command, a real engine with a base image of our own, and one image that many tests look at."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import socket
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from e2e.command import Mbuild
from e2e.projects import Project, make_project
from e2e.registries import Registry, start_registry
from e2e.traces import Traces

BASE = os.environ.get("MBUILD_TEST_BASE", "python:3.11-slim")


@pytest.fixture(scope="session")
def worker() -> Iterator[str]:
    """Tells apart what processes leave in the engine that test at the same time: the first name that is free."""
    for number in itertools.count():
        with socket.socket(socket.AF_UNIX) as claim, contextlib.suppress(OSError):
            claim.bind(
                f"\0mbuild-e2e-{number}"
            )  # on this machine only one can, whatever its folder for temporary files
            yield f"x{number}"
            return


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """The Docker engine. Without one: skipped for a person, a failure where these tests are relied on."""
    try:
        client = docker.from_env(timeout=300)
        client.ping()
    except docker.errors.DockerException as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Docker engine answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def base(client: Any, worker: str) -> Iterator[str]:
    """A base image with a label that all images, containers and stages made of it inherit. In the end all go."""
    name = f"mbuild-e2e-base:{worker}"
    dockerfile = f"FROM {BASE}\nLABEL {Traces.LABEL}={worker}\n"
    traces = Traces(client, worker)
    traces.remove_all()  # what has this label is of a run that was killed
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True, forcerm=True)
    builds = traces.builds()
    yield name
    traces.remove_all()
    if "PYTEST_XDIST_WORKER" not in os.environ:  # others may still need what was made meanwhile
        traces.forget_builds(builds)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mbuild's cache, empty when the tests begin."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def settings(base: str, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of all runs. Nobody is logged in anywhere."""
    config = tmp_path_factory.mktemp("docker-config")
    return {"MBUILD_BASE": base, "MBUILD_CACHE": str(cache), "DOCKER_CONFIG": str(config)}


@pytest.fixture
def mbuild(settings: dict[str, str], tmp_path: Path) -> Mbuild:
    """The command, in the folder of the test's project."""
    return make_mbuild(settings, tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A model, its handler and an example, for this test alone."""
    return make_project(tmp_path / "project")


@pytest.fixture
def image(client: Any, worker: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """``image()`` is a name for an image of this test; in the end all names go."""
    names: list[str] = []

    def name(registry: str = "", tag: str = "1") -> str:
        prefix = f"{registry}/" if registry else ""
        names.append(f"{prefix}mbuild-e2e-{worker}/{len(names)}-{zlib.crc32(request.node.nodeid.encode())}:{tag}")
        return names[-1]

    yield name
    for made in names:
        try:
            client.images.remove(made, force=True)
        except docker.errors.ImageNotFound:
            continue


@pytest.fixture(scope="session")
def packaged(
    settings: dict[str, str], client: Any, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """What ``mbuild package --json`` printed of the project, packaged once. Nobody changes this image."""
    folder = tmp_path_factory.mktemp("packaged")
    project = make_project(folder / "project")
    reference = f"mbuild-e2e-{worker}/packaged:1.0"
    run = make_mbuild(settings, folder)("package", project.model, "-H", project.handler, "-t", reference, "--json")
    yield run.json
    client.images.remove(reference, force=True)


@pytest.fixture
def untouched(client: Any, base: str, worker: str) -> Iterator[None]:
    """After the test the engine must hold no container, name or nameless image that it did not hold before."""
    traces = Traces(client, worker)
    before = traces.look()
    yield
    traces.require(before)


@pytest.fixture(scope="session")
def public_registry() -> str:
    """The registry that scripts/engine starts."""
    host = os.environ.get("MBUILD_TEST_REGISTRY", "127.0.0.1:5000")
    try:
        urllib.request.urlopen(f"http://{host}/v2/", timeout=5).close()
    except (OSError, urllib.error.URLError):
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no registry answers at {host}")
    return host


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry over plain HTTP that anybody may write to."""
    with start_registry(tmp_path / "registry") as registry:
        yield registry


def make_mbuild(settings: dict[str, str], folder: Path) -> Mbuild:
    for part in ("project", "temporary"):
        (folder / part).mkdir(exist_ok=True)
    return Mbuild(folder / "project", folder / "temporary", settings)
