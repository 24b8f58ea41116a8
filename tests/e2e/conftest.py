"""What end-to-end tests need: an engine, a registry, a base image. `scripts/engine` provides all three."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NoReturn

import docker
import docker.errors
import pytest

BASE = "python:3.11-slim"
REGISTRY = "127.0.0.1:5000"


def _lacking(what: str) -> NoReturn:
    """Skip for a person at a machine without an engine; fail where somebody relies on these tests."""
    message = f"{what}; scripts/engine provides it"
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the Docker engine."""
    try:
        client = docker.from_env(timeout=300)
        client.ping()
    except docker.errors.DockerException as error:
        _lacking(f"no Docker engine answers ({error})")
    yield client
    client.close()


@pytest.fixture(scope="session")
def base(engine: Any) -> str:
    """The default base image."""
    try:
        engine.images.get(BASE)
    except docker.errors.ImageNotFound:
        _lacking(f"the engine has no {BASE}")
    return BASE


@pytest.fixture(scope="session")
def registry() -> str:
    """The address of a registry on loopback, over plain HTTP, without authentication."""
    try:
        with urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=5):
            return REGISTRY
    except (OSError, urllib.error.URLError) as error:
        _lacking(f"no registry answers at {REGISTRY} ({error})")


@pytest.fixture
def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
