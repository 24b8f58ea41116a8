"""Virtual environments of the peers: made once, from PyPI, by uv, and kept in the cache folder."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mbuild-benchmarks"
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
"""The same for every server."""
_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def environment(name: str, packages: Sequence[str]) -> Path:
    """An environment with these packages, made anew when they change; returns its interpreter.

    Raises CalledProcessError, with uv's words, where they cannot be installed.
    """
    folder = CACHE / f"serving-{name}"
    python, stamp, wanted = folder / "bin/python", folder / "packages", "\n".join(sorted(packages))
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making the environment of {name}", file=sys.stderr)
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True, capture_output=True)
    command = [*uv, "pip", "install", "-q", "--python", python, *packages]
    if any(package.partition("==")[0] == "torch" for package in packages):
        command += _wheels_for_the_cpu()
    subprocess.run(command, check=True, capture_output=True, text=True)
    stamp.write_text(wanted)
    return python


def _wheels_for_the_cpu() -> list[str]:
    """Where torch comes from without CUDA: the wheels that pip is told of, else PyTorch's own index."""
    links = os.environ.get("PIP_FIND_LINKS", "").split()
    return [word for link in links for word in ("--find-links", link)] or ["--torch-backend", "cpu"]


def versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """What was installed for each of the packages."""
    names = [package.partition("==")[0] for package in packages]
    return json.loads(subprocess.run([python, "-c", _VERSIONS, *names], check=True, capture_output=True).stdout)
