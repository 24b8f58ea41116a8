"""A real engine, a real registry, and an image small enough to be built in a second."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from builder.values import LOCK, make_tree
from modelbuild.engines import BuildEngine, choose
from modelbuild.errors import EngineUnavailableError
from modelbuild.host import Host
from modelbuild.planning.context import Context
from modelbuild.planning.dockerfile import render
from modelbuild.planning.plan import HealthCheck, Plan, layer_of

BASE = os.environ.get("MBUILD_TEST_BASE", "python:3.11-slim")

# A server of a few lines with the routes that verification uses; it adds one to "x".
SERVER = b"""
import http.server, json, os, signal, sys, threading
import features
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/contract":
            return self.answer({"model": {"name": "tiny"}, "contract": {}, "examples": [{"request": {"x": 1.5}, "expected": None, "name": ""}]})
        return self.answer({}, 200 if self.path.startswith("/health") else 404)
    def do_POST(self):
        value = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "x" not in value:
            return self.answer({"title": "Bad Request", "detail": "is missing", "field": "x"}, 400)
        return self.answer({"y": features.add(value["x"])})
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
if not os.environ.get("DEAF"):
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
assert not os.access("/opt", os.W_OK) and os.getuid() == 65532, "not hardened"
open("/tmp/writable", "w").close()
print("serving", flush=True)
server.serve_forever()
"""
FEATURES = b"def add(x):\n    return x + 1\n"


@dataclass
class Recorder:
    """Progress that a test can look at."""

    steps: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)

    def step(self, name: str, detail: str = "") -> None:
        self.steps.append(f"{name} {detail}")

    def bytes(self, done: int, total: int) -> None:
        self.counts.append((done, total))

    def log(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def progress() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], BuildEngine]:
    """Engines by builder, each found once."""
    folder = tmp_path_factory.mktemp("engines")

    @cache
    def find(builder: str) -> BuildEngine:
        environment = {**os.environ, "DOCKER_BUILDKIT": "0" if builder == "classic" else "1"}
        if builder == "podman":
            return choose("podman", Host(folder, "3.11", environment | podman_settings(folder)))
        return docker(Host(folder, "3.11", environment))

    return find


@pytest.fixture(params=["buildkit", "classic", "podman"])
def engine(request: pytest.FixtureRequest, engines: Callable[[str], BuildEngine], tmp_path: Path) -> BuildEngine:
    """Each builder of Docker, and podman where it is installed."""
    return on_its_own(engines(request.param), tmp_path)


@pytest.fixture
def docker_engine(engines: Callable[[str], BuildEngine], tmp_path: Path) -> BuildEngine:
    """Docker with its own choice of a builder."""
    return on_its_own(engines("buildkit"), tmp_path)


def on_its_own(engine: BuildEngine, tmp_path: Path) -> BuildEngine:
    """An engine with a cache and stored logins of this test alone."""
    config = tmp_path / "docker-config"
    config.mkdir()
    host = replace(engine.host, cache=tmp_path / "cache")
    return replace(engine, host=replace(host, environment={**host.environment, "DOCKER_CONFIG": str(config)}))


def docker(host: Host) -> BuildEngine:
    try:
        return choose("docker", host)
    except EngineUnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Docker engine: {error.details}")


def podman_settings(folder: Path) -> dict[str, str]:
    """What podman needs to run here: nothing, or fewer open files than it would like where raising limits is forbidden.

    The base image comes from Docker: there may be no registry to pull one from.
    """
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode:
        saved = subprocess.run(["docker", "save", BASE], capture_output=True, check=True).stdout
        subprocess.run(["podman", "load"], input=saved, capture_output=True, check=True)
    settings = folder / "containers.conf"
    settings.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\nruntime = "runc"\n'
    )
    for environment in ({}, {"CONTAINERS_CONF": str(settings)}):
        probe = ["podman", "run", "--rm", "--network", "none", BASE, "python3", "-c", ""]
        ran = subprocess.run(probe, capture_output=True, text=True, check=False, env={**os.environ, **environment})
        if ran.returncode == 0:
            return environment
    pytest.skip(f"podman cannot run a container here: {ran.stderr.strip()[-300:]}")


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., tuple[Plan, Context]]:
    """Make a plan and its context: ``tiny(engine, model=b"...", features=b"...")``."""

    def make(engine: BuildEngine, *, model: bytes = b"weights", features: bytes = FEATURES, **changes):
        base = engine.base(BASE, "linux/amd64", pull=False, progress=Recorder())
        folder = tmp_path / "trees"
        trees = (
            make_tree(folder, "dependencies", {"opt/mbuild/deps/alpha.py": b"version = 1\n"}),
            make_tree(folder, "server", {"opt/mbuild/server/serve.py": SERVER}),
            make_tree(folder, "model", {"opt/mbuild/model/model.bin": model}),
            make_tree(folder, "handler", {"opt/mbuild/handler/features.py": features}),
            make_tree(folder, "manifest", {"opt/mbuild/manifest.json": b"{}"}),
        )
        values = {
            "base": base,
            "platform": "linux/amd64",
            "python": base.python,
            "runtime": "forest",
            "requirements": (),
            "system_packages": (),
            "layers": tuple(layer_of(tree) for tree in trees),
            "environment": {"PYTHONPATH": "/opt/mbuild/deps:/opt/mbuild/handler", "PYTHONUNBUFFERED": "1"},
            "user": "65532:0",
            "ports": (8080,),
            "entrypoint": ("python3", "/opt/mbuild/server/serve.py"),
            "command": ("serve",),
            "healthcheck": HealthCheck(("python3", "-c", "pass")),
            "labels": {"mbuild.layers": " ".join(tree.name for tree in trees), "mbuild.quoted": '{"$a": "\\\\"}'},
        }
        plan = Plan(**{**values, **changes})
        return plan, Context(plan, render(plan), trees, LOCK)

    return make


@dataclass(frozen=True)
class Registry:
    """A registry on this machine; ``folder`` holds its data, and its certificates where it has some."""

    host: str
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry over plain HTTP that anybody may write to."""
    with_settings = start_registry(tmp_path_factory.mktemp("registry"))
    yield from with_settings


@pytest.fixture
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants the user "ann" with the password "s3cret:x"."""
    folder = tmp_path_factory.mktemp("private")
    if not shutil.which("htpasswd"):
        pytest.skip("htpasswd is not installed (apache2-utils)")
    line = subprocess.run(["htpasswd", "-Bbn", "ann", "s3cret:x"], capture_output=True, check=True).stdout
    (folder / "htpasswd").write_bytes(line)
    yield from start_registry(folder, f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n")


def start_registry(
    folder: Path, settings: str = "", *, address: str = "127.0.0.1", tls: str = ""
) -> Iterator[Registry]:
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as free:
        free.bind((address, 0))
        host = f"{address}:{free.getsockname()[1]}"
    (folder / "config.yml").write_text(
        "version: 0.1\nlog: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{host}'{tls}}}\n{settings}"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        wait_for_port(address, int(host.rpartition(":")[2]))
        yield Registry(host, folder)
    finally:
        process.terminate()
        process.wait(10)


def wait_for_port(address: str, port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {address}:{port}")
