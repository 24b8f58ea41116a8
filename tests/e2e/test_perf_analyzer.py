"""NVIDIA's perf_analyzer, which asks a server for its metadata, configuration and statistics before it measures.

Its program wants a newer C library than Debian 12 has: it runs in a base image of Debian 13.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.server import Address, serving
from e2e.command import Mbuild

pytestmark = [pytest.mark.docker, pytest.mark.slow]

VERSION = "2.60.0"
WHEEL = ("--platform", "manylinux_2_38_x86_64", "--only-binary", ":all:", "--no-deps")
QUICK = ("-b", "1", "--concurrency-range", "2", "--measurement-interval", "300", "--max-trials", "3", "-s", "95")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}, {"name": "s", "datatype": "BYTES", "shape": [-1, 1]}]
    with serving(tmp_path_factory.mktemp("echo"), inputs) as address:
        yield address


@pytest.fixture(scope="module")
def program() -> Path:
    """The folder of the program, out of its wheel, kept for the next time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mbuild-tests"
    folder = cache / f"perf_analyzer-{VERSION}"
    found = folder / "perf_analyzer" / "bin" / "perf_analyzer"
    if not found.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), *WHEEL]
        subprocess.run([*command, f"perf-analyzer=={VERSION}"], check=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        found.chmod(0o755)
    return folder


@pytest.fixture
def newer(mbuild: Mbuild, client: Any, worker: str) -> Iterator[str]:
    """A base image of Debian 13."""
    name = f"mbuild-e2e-newer:{worker}"
    mbuild("base", "--python", "3.13", "-t", name)
    yield name
    client.images.remove(name, force=True)


@pytest.mark.parametrize(
    "options",
    [("http",), ("grpc",), ("grpc", "--streaming"), ("grpc", "--service-kind", "tfserving", "--shape", "x:4")],
    ids=" ".join,
)
def test_it_measures(newer: str, program: Path, server: Address, options: tuple[str, ...]) -> None:
    protocol, *more = options
    address = server.grpc if protocol == "grpc" else str(server)
    path = "/opt/program/perf_analyzer/bin/perf_analyzer"
    run = [
        "docker",
        "run",
        "--rm",
        "--network",
        "host",
        "-v",
        f"{program}:/opt/program:ro",
        "--entrypoint",
        path,
        newer,
    ]
    asked = ["-m", "echo", "-u", address, "-i", protocol, *more, *QUICK]
    done = subprocess.run([*run, *asked], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    throughput = re.search(r"Throughput: ([\d.]+) infer/sec", done.stdout)
    assert throughput is not None, done.stdout + done.stderr
    assert float(throughput[1]) > 1, done.stdout
