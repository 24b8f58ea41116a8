"""Starts ``served.py``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from page.models import EXAMPLES, NAMES
from runtime.processes import free_port

HERE = Path(__file__).parent


@contextmanager
def serving(model: str, folder: Path, **settings: str) -> Iterator[str]:
    """Serve a model; yields "http://127.0.0.1:port/"."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "MBUILD_MANIFEST": str(_manifest(model, folder)),
        "MBUILD_HOST": "127.0.0.1",
        "MBUILD_PORT": str(port),
        "MBUILD_GRPC_PORT": "0",
        "MBUILD_THREADS": "1",
        **settings,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, HERE / "served.py", model], env=environment, stderr=log)
        try:
            _wait(process, port, folder / "log")
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


def _manifest(model: str, folder: Path) -> Path:
    shutil.copytree(HERE / "handler", folder / "handler")
    told = {
        "model": {"name": NAMES.get(model, model), "version": "3", "path": "model"},
        "runtime": {"name": "onnx"},
        "examples": EXAMPLES[model],
        **({"handler": {"module": "home"}} if model == "home" else {}),
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(told))
    return path


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import urllib.request

    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
