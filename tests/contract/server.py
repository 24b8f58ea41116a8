"""The real server in a process of its own, put together as an image has it, with the echo runtime inside."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import modelbuild_runtime
from modelbuild_runtime.tensor import NUMPY

HERE = Path(__file__).parent
SOURCES = Path(modelbuild_runtime.__file__).parent
DATATYPES = tuple(NUMPY)
EVERY_DATATYPE = [{"name": name, "datatype": name, "shape": [-1, -1]} for name in DATATYPES]


class Address(str):
    """Where HTTP is spoken, as "127.0.0.1:port"; ``grpc`` is the same for gRPC."""

    __slots__ = ("grpc",)
    grpc: str


@contextmanager
def serving(
    folder: Path, inputs: list[dict[str, Any]], name: str = "echo", handler: str = "", **settings: str
) -> Iterator[Address]:
    """Serve the echo runtime with these inputs, and the source of a handler around it, which says its style in its first
    line where that is not "functions". ``settings`` are environment variables.
    """
    root = _image(folder, inputs, name)
    if handler:
        _add_handler(root, handler)
    with started(root, **settings) as address:
        yield address


@contextmanager
def started(root: Path, port: int = 0, **settings: str) -> Iterator[Address]:
    """Serve what the manifest in ``root`` names, with the server that may lie beside it. Where ``port`` is given,
    ``settings`` or a file tell the server of it.
    """
    address = Address(f"127.0.0.1:{port or free_port()}")
    grpc_port = free_port()
    address.grpc = f"127.0.0.1:{grpc_port}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "server" if (root / "server").exists() else SOURCES.parent),
        "MBUILD_MANIFEST": str(root / "manifest.json"),
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_GRPC_PORT": str(grpc_port),
        "MBUILD_THREADS": "1",
        **({} if port else {"MBUILD_PORT": address.partition(":")[2]}),
        **settings,
    }
    log = (root / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "modelbuild_runtime"], env=environment, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, environment, int(address.partition(":")[2]), root / "log")
        yield address
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _image(folder: Path, inputs: list[dict[str, Any]], name: str) -> Path:
    """The same tree as /opt/mbuild in an image; a third party's runtime is one more folder among the engines."""
    server = folder / "server" / "modelbuild_runtime"
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCES, server, ignore=skipped)
    shutil.copytree(HERE / "echo_runtime", server / "engines" / "echo", ignore=skipped)
    (folder / "model").mkdir()
    (folder / "model" / "model.echo").write_text("echo")
    manifest = {
        "model": {"name": name, "version": "1", "path": "model/model.echo"},
        "runtime": {"name": "echo"},
        "signature": {"inputs": inputs, "outputs": inputs},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _add_handler(root: Path, source: str) -> None:
    (root / "handler").mkdir()
    (root / "handler" / "features.py").write_text(source)
    manifest = json.loads((root / "manifest.json").read_text())
    style = source.partition("\n")[0].removeprefix("# ")
    manifest["handler"] = {"module": "features", "style": style if source.startswith("# ") else "functions"}
    (root / "manifest.json").write_text(json.dumps(manifest))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], environment: dict[str, str], port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text()}")
        if _is_ready(environment, port):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server does not become ready:\n{log.read_text()}")


def _is_ready(environment: dict[str, str], port: int) -> bool:
    if "MBUILD_TLS_CERTIFICATE" in environment:  # as the image's health check asks
        command = [sys.executable, "-I", "-S", SOURCES / "health.py"]
        return subprocess.run(command, env=environment, check=False).returncode == 0
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
