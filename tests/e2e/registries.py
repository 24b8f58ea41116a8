"""Real registries on this machine: open ones, ones that want a password, ones with certificates."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "ann", "s3cret:x"  # a colon ends the user's name, not the password
_KINDS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Registry:
    """``host`` is how an engine names it; ``folder`` holds its data and its log."""

    host: str
    folder: Path
    scheme: str = "http"

    def manifest(self, reference: str, *, login: bool = False) -> tuple[str, dict[str, Any]]:
        """The digest of a manifest's bytes, and the manifest."""
        name, _, tag = reference.removeprefix(f"{self.host}/").rpartition(":")
        headers = {"Accept": _KINDS}
        if login:
            headers["Authorization"] = f"Basic {encoded_login()}"
        request = urllib.request.Request(f"{self.scheme}://{self.host}/v2/{name}/manifests/{tag}", headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
            body = response.read()
        return "sha256:" + hashlib.sha256(body).hexdigest(), json.loads(body)

    @property
    def uploads(self) -> int:
        """How many blobs were sent so far."""
        lines = (self.folder / "log").read_text().splitlines()
        return sum("blobs/uploads/" in line and '"PUT ' in line and " 201 " in line for line in lines)

    @property
    def repositories(self) -> list[str]:
        root = self.folder / "data/docker/registry/v2/repositories"
        return sorted(path.parent.relative_to(root).as_posix() for path in root.rglob("_manifests"))


def encoded_login(password: str = PASSWORD) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def log_in(config: Path, host: str, password: str = PASSWORD) -> Mapping[str, str]:
    """What ``docker login`` writes, and the environment that finds it."""
    config.mkdir(exist_ok=True)
    (config / "config.json").write_text(json.dumps({"auths": {host: {"auth": encoded_login(password)}}}))
    return {"DOCKER_CONFIG": str(config)}


@contextmanager
def start_registry(
    folder: Path, *, address: str = "127.0.0.1", password: bool = False, tls: bool = False
) -> Iterator[Registry]:
    """A registry on a free port. With ``tls`` its certificate is signed by the new CA ``folder/ca.crt``."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    folder.mkdir()
    host = f"{address}:{_free_port(address)}"
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    }
    if password:
        settings["auth"] = {"htpasswd": {"realm": "test", "path": _passwords(folder)}}
    if tls:
        make_certificates(folder, address)
        settings["http"]["tls"] = {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
    (folder / "config.yml").write_text(json.dumps(settings))  # which is YAML, too
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        command = [program, "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _wait_for(process, host, folder / "log")
        yield Registry(host, folder, "https" if tls else "http")
    finally:
        process.terminate()
        process.wait(10)


def _passwords(folder: Path) -> str:
    if not shutil.which("htpasswd"):
        pytest.skip("htpasswd is not installed (apache2-utils)")
    line = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], capture_output=True, check=True).stdout
    (folder / "htpasswd").write_bytes(line)
    return str(folder / "htpasswd")


def make_certificates(folder: Path, address: str) -> None:
    """A CA, and a certificate of it for an address."""
    (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=Test-CA",
        "req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=registry",
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out tls.crt",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


def _free_port(address: str) -> int:
    with socket.socket() as free:
        free.bind((address, 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    address, port = host.rsplit(":", 1)
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex((address, int(port))) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {host}")
