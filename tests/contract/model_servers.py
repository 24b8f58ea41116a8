"""Multi-Model-Server and TorchServe themselves, and ours, each in a process of its own and with the same handler."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from contract.clients.environment import HERE, python_of
from contract.server import Address, started

HANDLER = HERE / "echo_handler.py"
MODEL = {"modelName": "echo", "modelVersion": "1.0"}
CONFIG = """
inference_address=http://127.0.0.1:{port}
default_workers_per_model=1
max_request_size=100000
models={{\\
  "echo": {{"1.0": {{"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "maxBatchDelay": 10, "responseTimeout": 60}}}}\\
}}
"""


class Original(NamedTuple):
    """One of the two servers: ``pins`` names its environment, ``main`` its class, ``flags`` what only it takes."""

    pins: str
    package: str
    main: str
    manifest: dict[str, str]
    flags: tuple[str, ...] = ()
    config: str = ""


MMS = Original(
    "mms",
    "mms",
    "com.amazonaws.ml.mms.ModelServer",
    {"specificationVersion": "1.0", "implementationVersion": "1.0", "modelServerVersion": "1.0", "runtime": "python"},
)
TORCHSERVE = Original(
    "torchserve",
    "ts",
    "org.pytorch.serve.ModelServer",
    {"createdOn": "01/01/2024 00:00:00", "runtime": "python", "archiverVersion": "0.12.0"},
    ("-ncs", "--disable-token-auth"),
    "metrics_address=http://127.0.0.1:{}\ngrpc_inference_port={}\ngrpc_management_port={}\ndisable_system_metrics=true\n",
)


@contextmanager
def serving_original(original: Original, folder: Path) -> Iterator[Address]:
    """Start the real server with the handler as a .mar."""
    java = shutil.which("java")
    if java is None:
        if os.environ.get("CI"):
            pytest.fail("the servers that ours is held against need Java")
        pytest.skip("the servers that ours is held against need Java")
    python = python_of(original.pins)
    home = next((python.parent.parent / "lib").glob("python*")) / "site-packages"
    port = _free_port()
    _archive(original, folder / "store" / "echo.mar")
    ports = [_free_port() for _ in range(3)]
    address = Address(f"127.0.0.1:{port}")
    address.grpc = f"127.0.0.1:{ports[1]}"
    config = f"management_address=http://127.0.0.1:{_free_port()}\n" + original.config.format(*ports)
    (folder / "config.properties").write_text(CONFIG.format(port=port) + config)
    (folder / "stubs" / "torch").mkdir(parents=True)
    (folder / "stubs" / "torch" / "__init__.py").write_text("class Tensor: ...\n")
    command = [java, "-Xmx200m", "-XX:TieredStopAtLevel=1", f"-Dmodel_server_home={home}"]
    command += ["-cp", f".:{home / original.package / 'frontend' / '*'}", original.main, "--python", str(python)]
    command += ["-f", "config.properties", "-s", "store", "-m", "echo=echo.mar", *original.flags]
    environment = {**os.environ, "PYTHONPATH": str(folder / "stubs")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_it_predicts(process, port, folder / "log")
            yield address
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def serving_ours(folder: Path) -> Iterator[Address]:
    """Our server with the same handler and the same configuration file."""
    port = _free_port()
    (folder / "handler").mkdir()
    shutil.copy(HANDLER, folder / "handler")
    (folder / "handler" / "config.properties").write_text(CONFIG.format(port=port))
    (folder / "model").mkdir()
    (folder / "model" / "echo.bin").write_bytes(b"")
    manifest = {
        "model": {"name": "echo", "version": "1.0", "path": "model/echo.bin"},
        "runtime": {"name": "none"},
        "handler": {"module": "echo_handler", "style": "torchserve"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with started(folder, port) as address:
        yield address


def _free_port() -> int:
    """Both servers take no port above 32767."""
    while True:
        port = random.randint(10_000, 32_767)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _archive(original: Original, path: Path) -> None:
    path.parent.mkdir()
    manifest = {**original.manifest, "model": {**MODEL, "handler": f"{HANDLER.name}:handle"}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.write(HANDLER, HANDLER.name)


def _wait_until_it_predicts(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/predictions/echo", timeout=20) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the server does not begin to predict:\n{log.read_text()[-3000:]}")
