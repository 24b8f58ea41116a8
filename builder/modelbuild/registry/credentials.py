"""Credentials for registries, from where `docker login` and `podman login` keep them."""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelbuild.errors import RegistryError
from modelbuild.registry.reference import DEFAULT_REGISTRY

# What `docker login` without a host writes.
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")
# What a helper answers as user name when the secret is a token of its own kind.
_TOKEN_USER = "<token>"  # noqa: S105  # a name, no secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or an identity token."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def to_engine(self) -> dict[str, str]:
        """The form that the engine API takes."""
        if self.token:
            return {"identitytoken": self.token}
        return {"username": self.user, "password": self.password}


def find_credentials(registry: str, environment: Mapping[str, str]) -> Credentials | None:
    """Credentials for a registry ("localhost:5000", "docker.io"), or ``None`` where nobody logged in.

    Raises:
        RegistryError: a file is damaged, or a helper that it names fails.
    """
    keys = _HUB_KEYS if registry == DEFAULT_REGISTRY else (registry, f"https://{registry}", f"http://{registry}")
    for path in _files(environment):
        if path.is_file():
            found = _from_file(path, keys, environment)
            if found:
                return found
    return None


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environment.get("HOME", "~")).expanduser()
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"]) / "containers/auth.json"
    yield home / ".config/containers/auth.json"


def _from_file(path: Path, keys: tuple[str, ...], environment: Mapping[str, str]) -> Credentials | None:
    """A helper named for this registry wins over the general one, and that over what is written in the file."""
    config = _read(path)
    for key in keys:
        helper = (config.get("credHelpers") or {}).get(key)
        if helper:
            return _ask(helper, key, path, environment)
    for key in keys:
        found = _ask(config["credsStore"], key, path, environment) if config.get("credsStore") else None
        found = found or _written(path, key, (config.get("auths") or {}).get(key))
        if found:
            return found
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes() or b"{}")
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path} cannot be read: {error}", hint="`docker login` writes a new one.") from error
    if not isinstance(config, dict):
        raise RegistryError(f"{path} is no JSON object.", hint="`docker login` writes a new one.")
    return config


def _written(path: Path, key: str, entry: Mapping[str, str] | None) -> Credentials | None:
    if not entry:
        return None
    if entry.get("identitytoken"):
        return Credentials(token=entry["identitytoken"])
    if entry.get("username"):
        return Credentials(entry["username"], entry.get("password", ""))
    if not entry.get("auth"):
        return None
    try:
        user, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RegistryError(f"{path} holds a damaged entry for {key}.", hint=f"docker login {key}") from error
    # Old versions of docker pad the password with NULs.
    return Credentials(user, password.rstrip("\0")) if colon else None


def _ask(helper: str, key: str, path: Path, environment: Mapping[str, str]) -> Credentials | None:
    command = f"docker-credential-{helper}"
    try:
        answer = subprocess.run(
            [command, "get"], input=key, capture_output=True, text=True, timeout=60, check=False, env=dict(environment)
        )
    except FileNotFoundError as error:
        raise RegistryError(
            f"{path} names the credential helper {command}, which is not on PATH.",
            hint=f"Install it, or remove {helper!r} from {path} and log in again.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RegistryError(f"{command} did not answer within a minute for {key}.") from error
    said = (answer.stdout + answer.stderr).strip()
    if answer.returncode:
        if "credentials not found" in said.lower():
            return None
        raise RegistryError(f"{command} failed for {key}: {said}", hint=f"docker login {key}")
    try:
        found = json.loads(answer.stdout)
        user, secret = found["Username"], found["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{command} answered something that is no credential for {key}.") from error
    return Credentials(token=secret) if user == _TOKEN_USER else Credentials(user, secret)
