from __future__ import annotations

import base64
import json
import os

import pytest

from modelbuild.errors import RegistryError
from modelbuild.registry.credentials import Credentials, find_credentials


@pytest.fixture
def environment(tmp_path):
    """An environment of its own, with a folder for helpers."""
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def config(folder, value):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(value if isinstance(value, str) else json.dumps(value))


def encoded(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def helper(tmp_path, name, script):
    path = tmp_path / "bin" / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_nobody_logged_in(environment):
    assert find_credentials("ghcr.io", environment) is None


def test_from_docker_login(tmp_path, environment):
    config(tmp_path / ".docker", {"auths": {"localhost:5000": encoded("ann", "s3cret:x")}})
    assert find_credentials("localhost:5000", environment) == Credentials("ann", "s3cret:x")
    assert find_credentials("localhost:5001", environment) is None


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io"])
def test_with_or_without_a_scheme(tmp_path, environment, key):
    config(tmp_path / ".docker", {"auths": {key: encoded("ann", "x")}})
    assert find_credentials("ghcr.io", environment) == Credentials("ann", "x")


def test_the_hub_has_a_key_of_its_own(tmp_path, environment):
    config(tmp_path / ".docker", {"auths": {"https://index.docker.io/v1/": encoded("ann", "x")}})
    assert find_credentials("docker.io", environment) == Credentials("ann", "x")


def test_docker_config_names_the_folder(tmp_path, environment):
    config(tmp_path / ".docker", {"auths": {"ghcr.io": encoded("home", "x")}})
    config(tmp_path / "other", {"auths": {"ghcr.io": encoded("other", "x")}})
    found = find_credentials("ghcr.io", {**environment, "DOCKER_CONFIG": str(tmp_path / "other")})
    assert found == Credentials("other", "x")


def test_from_podman_login(tmp_path, environment):
    folder = tmp_path / "run" / "containers"
    folder.mkdir(parents=True)
    (folder / "auth.json").write_text(json.dumps({"auths": {"ghcr.io": encoded("ann", "x")}}))
    environment = {**environment, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert find_credentials("ghcr.io", environment) == Credentials("ann", "x")


def test_an_identity_token(tmp_path, environment):
    config(tmp_path / ".docker", {"auths": {"a.azurecr.io": {**encoded("00000000", ""), "identitytoken": "tok"}}})
    found = find_credentials("a.azurecr.io", environment)
    assert found.to_engine() == {"identitytoken": "tok"}


def test_a_helper_for_one_registry_wins(tmp_path, environment):
    helper(tmp_path, "mine", 'read name; printf \'{"Username": "ann", "Secret": "for %s"}\' "$name"')
    config(tmp_path / ".docker", {"credHelpers": {"ghcr.io": "mine"}, "auths": {"ghcr.io": encoded("file", "x")}})
    assert find_credentials("ghcr.io", environment) == Credentials("ann", "for ghcr.io")


def test_a_store_without_the_registry_falls_back_to_the_file(tmp_path, environment):
    helper(tmp_path, "store", 'echo "credentials not found in native keychain"; exit 1')
    config(tmp_path / ".docker", {"credsStore": "store", "auths": {"ghcr.io": encoded("file", "x"), "b.io": {}}})
    assert find_credentials("ghcr.io", environment) == Credentials("file", "x")
    assert find_credentials("b.io", environment) is None


def test_a_helpers_token(tmp_path, environment):
    helper(tmp_path, "store", 'echo \'{"Username": "<token>", "Secret": "tok"}\'')
    config(tmp_path / ".docker", {"credsStore": "store"})
    assert find_credentials("ghcr.io", environment) == Credentials(token="tok")


def test_secrets_are_in_no_message():
    assert "s3cret" not in repr(Credentials("ann", "s3cret", "s3cret-too"))


@pytest.mark.parametrize(
    ("content", "script", "message"),
    [
        ("{", "", "config.json cannot be read"),
        ("[]", "", "is no JSON object"),
        ({"auths": {"ghcr.io": {"auth": "***"}}}, "", "a damaged entry for ghcr.io"),
        ({"credsStore": "absent"}, "", "docker-credential-absent, which is not on PATH"),
        ({"credsStore": "store"}, "echo locked; exit 2", "docker-credential-store failed for ghcr.io: locked"),
        ({"credsStore": "store"}, "echo hello", "answered something that is no credential"),
        ({"credsStore": "store"}, "echo '{}'", "answered something that is no credential"),
    ],
)
def test_what_is_broken_is_named(tmp_path, environment, content, script, message):
    if script:
        helper(tmp_path, "store", script)
    config(tmp_path / ".docker", content)
    with pytest.raises(RegistryError) as caught:
        find_credentials("ghcr.io", environment)
    assert message in caught.value.message
