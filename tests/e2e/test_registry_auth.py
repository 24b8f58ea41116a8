"""Registries that want a password: what `docker login` stored is found, and shown to nobody."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import Project
from e2e.registries import PASSWORD, USER, Registry, log_in, start_registry

pytestmark = pytest.mark.docker


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Registry]:
    with start_registry(tmp_path / "private", password=True) as registry:
        yield registry


@pytest.fixture
def small(client: Any, worker: str, image: Callable[..., str], private: Registry) -> str:
    """An image of a few bytes with a name in the private registry."""
    reference = image(private.host)
    dockerfile = f"FROM scratch\nLABEL mbuild-e2e={worker}\nCOPY Dockerfile /\n"
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=reference, rm=True)
    return reference


def test_without_a_login(mbuild: Mbuild, small: str, private: Registry) -> None:
    outcome = mbuild.fails(23, "push", small)
    assert f"{private.host} wants credentials and none are stored" in outcome.message
    assert outcome.hint == f"Log in first: docker login {private.host}"
    assert private.repositories == []


def test_with_a_wrong_password(mbuild: Mbuild, small: str, private: Registry, tmp_path: Path) -> None:
    command = mbuild.having(**log_in(tmp_path / "login", private.host, "guess"))
    outcome = command.fails(23, "push", small)
    assert f"{private.host} did not accept the credentials" in outcome.message
    assert f"docker login {private.host}" in outcome.hint
    assert "guess" not in outcome.err


def test_with_a_login(mbuild: Mbuild, small: str, private: Registry, tmp_path: Path) -> None:
    command = mbuild.having(**log_in(tmp_path / "login", private.host))
    outcome = command("push", small, "-v")
    assert outcome.out == f"{small}@{private.manifest(small, login=True)[0]}\n"
    assert PASSWORD not in outcome.err


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_with_a_credential_helper(mbuild: Mbuild, small: str, private: Registry, tmp_path: Path, key: str) -> None:
    helper = tmp_path / "bin" / "docker-credential-e2e"
    helper.parent.mkdir()
    answer = json.dumps({"ServerURL": private.host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\nread host\necho $host > {tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({key: {private.host: "e2e"} if key == "credHelpers" else "e2e"}))
    path = f"{helper.parent}:/usr/bin:/bin"
    mbuild.having(DOCKER_CONFIG=str(config), PATH=path)("push", small)
    assert (tmp_path / "asked").read_text().strip() == private.host


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('{"auths": [', "cannot be read"),
        ('{"credsStore": "mbuild-e2e-absent"}', "docker-credential-mbuild-e2e-absent"),
    ],
)
def test_a_damaged_config(
    mbuild: Mbuild, small: str, private: Registry, tmp_path: Path, config: str, says: str
) -> None:
    (tmp_path / "config.json").write_text(config.replace("HOST", private.host))
    outcome = mbuild.having(DOCKER_CONFIG=str(tmp_path)).fails(23, "push", small)
    assert says in outcome.message


def test_a_base_and_a_place_that_want_a_password(
    mbuild: Mbuild,
    project: Project,
    private: Registry,
    base: str,
    image: Callable[..., str],
    client: Any,
    tmp_path: Path,
) -> None:
    """A company's own base image, pulled, and the result pushed, with one login."""
    mine = image(private.host, "base")
    client.images.get(base).tag(mine)
    command = mbuild.having(**log_in(tmp_path / "login", private.host))
    command("push", mine)
    client.images.remove(mine)

    options = ("--base", mine, "-t", image(private.host), "--push")
    outcome = mbuild.fails(16, "package", project.model, "-H", project.handler, *options)
    assert f"{private.host} wants credentials" in outcome.message

    outcome = command("package", project.model, "-H", project.handler, *options)
    assert f"Pulling  {mine}" in outcome.err
    reference, _, digest = outcome.out.strip().partition("@")
    assert private.manifest(reference, login=True)[0] == digest
    found = client.images.get(reference)
    assert found.labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert PASSWORD not in json.dumps(found.attrs) + json.dumps(found.history())
