"""Equal inputs give equal layers, whoever builds them, where and when."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import make_project

pytestmark = pytest.mark.docker


def package(mbuild: Mbuild, folder: Path, reference: str, **environment: str) -> Any:
    project = make_project(folder)
    options = ("--name", "same", "--model-version", "1", "--no-cache", "--json")
    return mbuild.having(**environment)("package", project.model, "-H", project.handler, "-t", reference, *options).json


@pytest.mark.parametrize("buildkit", ["1", "0"], ids=["buildkit", "classic"])
def test_two_builds_without_any_cache(
    mbuild: Mbuild, image: Callable[..., str], client: Any, tmp_path: Path, buildkit: str
) -> None:
    """The second one is of other files with other times and permissions, in another folder, fetched anew."""
    first = package(mbuild, tmp_path / "one", image(), DOCKER_BUILDKIT=buildkit)
    os.umask(0o077)
    try:
        make_project(tmp_path / "else" / "where")
    finally:
        os.umask(0o022)
    os.utime(tmp_path / "else" / "where" / "model.onnx", (1, 1))
    cache = {"MBUILD_CACHE": str(tmp_path / "cache")} if buildkit == "1" else {}
    second = package(mbuild, tmp_path / "else" / "where", image(), DOCKER_BUILDKIT=buildkit, **cache)
    built = [layer["name"] for layer in second["layers"] if not layer["cached"]]
    assert built == ["dependencies", "server", "model", "handler", "manifest"]
    assert [layer["diff_id"] for layer in first["layers"]] == [layer["diff_id"] for layer in second["layers"]]
    one, two = (client.images.get(packaged["reference"]) for packaged in (first, second))
    assert settings(one) == settings(two)


def settings(image: Any) -> dict[str, Any]:
    """What an image says of itself, but when it was built and what it is called."""
    config = {key: value for key, value in image.attrs["Config"].items() if key not in {"Image", "Hostname", "Labels"}}
    labels = {key: value for key, value in image.labels.items() if key != "org.opencontainers.image.version"}
    return {**config, "Labels": labels}
