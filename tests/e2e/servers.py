"""Servers to ask: containers run as a careful operator runs them, and addresses of this machine."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(address: str, path: str, body: Any = None, *, timeout: float = 30) -> tuple[int, Any]:
    """GET, or POST a body as JSON; the status, and the answer as JSON where it is some."""
    host, _, port = address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=timeout)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text


def wait_until_ready(address: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            if ask(address, "/health/ready", timeout=5)[0] == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{address} is not ready")


@contextmanager
def running(client: Any, image: str, **settings: Any) -> Iterator[tuple[Any, str]]:
    """A container that is ready, and its address; removed with the block."""
    ports = {"8080/tcp": ("127.0.0.1", None)}
    container = client.containers.run(image, detach=True, **{"ports": ports, **HARDENED, **settings})
    try:
        container.reload()
        port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
        address = f"127.0.0.1:{port}"
        try:
            wait_until_ready(address)
        except TimeoutError as error:
            raise AssertionError(f"not ready:\n{container.logs().decode()}") from error
        yield container, address
    finally:
        container.remove(force=True, v=True)
