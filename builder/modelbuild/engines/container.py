"""A container for verification: read-only, without capabilities, on a loopback port, always removed."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docker.errors import APIError, NotFound

from modelbuild.engines.endpoint import Endpoint
from modelbuild.engines.failure import engine_errors, said
from modelbuild.errors import MbuildError, VerificationError
from modelbuild.planning.ports import http_port

_KILLED = 137
# Seconds within which an engine makes a container.
_LATE = 5.0


@contextmanager
def running(client: Any, endpoint: Endpoint, image: str, environment: Mapping[str, str]) -> Iterator[DockerContainer]:
    """Start ``image``, and remove its container when the block ends in whatever way."""
    config = image_config(client, image)
    port = served_port(config)
    doing = "starting a container"
    settings = {
        "environment": dict(environment),
        "ports": [port],
        "host_config": client.create_host_config(**hardened(port, endpoint)),
    }
    with created(client, image, doing, settings) as container:
        with engine_errors(doing):
            try:
                client.start(container)
            except APIError as error:
                raise VerificationError(f"The image cannot be started: {said(error)}") from error
        yield DockerContainer(client, container, endpoint, port, health_command(config))


@contextmanager
def created(client: Any, image: str, doing: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """The id of a new container, which is removed when the block ends, or an interrupt arrives while it is made."""
    name = f"mbuild-{secrets.token_hex(6)}"
    late = _LATE
    try:
        try:
            with engine_errors(doing):
                container = client.create_container(image, name=name, **settings)["Id"]
        except MbuildError:
            late = 0.0  # refused: there is none
            raise
        late = 0.0
        yield container
    finally:
        with engine_errors("removing a container"):
            _remove(client, name, time.monotonic() + late)


def _remove(client: Any, name: str, deadline: float) -> None:
    """An engine finishes making a container although nobody waits for it any more: it may come until ``deadline``."""
    while True:
        try:
            client.remove_container(name, force=True, v=True)
        except NotFound:
            if time.monotonic() >= deadline:
                return
            time.sleep(0.1)
        else:
            return


def image_config(client: Any, image: str) -> Mapping[str, Any]:
    """An image's settings. Podman leaves the health check out of what it answers in Docker's shape."""
    with engine_errors(f"looking at {image}"):
        config: dict[str, Any] = client.inspect_image(image)["Config"]
        if not config.get("Healthcheck"):
            answer = client.get(f"{client.base_url}/v4.0.0/libpod/images/{quote(image, safe='')}/json")
            if answer.ok:
                config["Healthcheck"] = answer.json().get("Healthcheck")
    return config


def hardened(port: int, endpoint: Endpoint) -> dict[str, Any]:
    """How a careful operator runs the image; what does not run so is not done.

    /tmp is a tmpfs, as an emptyDir is mounted there on Kubernetes. Logs go where they can be read back.
    """
    return {
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108  # in the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "port_bindings": {port: ("127.0.0.1",) if not endpoint.host else None},
        "log_config": {"Type": "json-file", "Config": {"max-size": "10m"}},
    }


def served_port(config: Mapping[str, Any]) -> int:
    """Where the image will answer HTTP, as its environment says."""
    return http_port(dict(entry.partition("=")[::2] for entry in config.get("Env") or ()))


def health_command(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What the image's HEALTHCHECK runs; empty where there is none."""
    test = list((config.get("Healthcheck") or {}).get("Test") or [])
    if test[:1] == ["CMD"]:
        return tuple(test[1:])
    if test[:1] == ["CMD-SHELL"]:
        return ("/bin/sh", "-c", test[1])
    return ()


@dataclass
class DockerContainer:
    """A running container, through the SDK."""

    client: Any
    id: str
    endpoint: Endpoint
    port: int
    health: tuple[str, ...]

    @cached_property
    def url(self) -> str:
        """Where its server listens, as seen from here."""
        network = self._inspect()["NetworkSettings"]
        bindings = (network.get("Ports") or {}).get(f"{self.port}/tcp")
        if not bindings:
            return ""
        host, port = self.endpoint.host or "127.0.0.1", int(bindings[0]["HostPort"])
        if not self.endpoint.host and network.get("IPAddress") and _elsewhere(port):
            host, port = network["IPAddress"], self.port
        return f"http://{host}:{port}"

    def logs(self, lines: int = 50) -> str:
        """The tail of stdout and stderr."""
        with engine_errors("reading a container's log"):
            text: bytes = self.client.logs(self.id, stdout=True, stderr=True, tail=lines)
        return text.decode(errors="replace")

    def exit_code(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        state = self._inspect()["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def probe(self) -> int | None:
        """Run the image's HEALTHCHECK now, instead of waiting for its interval."""
        if not self.health:
            return None
        with engine_errors("running the health check"):
            execution = self.client.exec_create(self.id, list(self.health))
            self.client.exec_start(execution["Id"])
            return int(self.client.exec_inspect(execution["Id"])["ExitCode"])

    def stop(self, timeout: float) -> int | None:
        """SIGTERM, then SIGKILL after ``timeout`` seconds, which gives ``None``."""
        with engine_errors("stopping a container"), suppress(APIError):
            self.client.stop(self.id, timeout=int(timeout))
        code = self.exit_code()
        return None if code == _KILLED else code

    def _inspect(self) -> Any:
        with engine_errors("looking at a container"):
            return self.client.inspect_container(self.id)


def _elsewhere(port: int) -> bool:
    """Whether mbuild runs in a container itself: the engine's loopback is not ours then, but the bridge is shared."""
    if not Path("/.dockerenv").exists():
        return False
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
