"""Virtual environments of the runtimes and of the peers: made once, from PyPI, by uv, and kept in the cache folder."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from modelbuild.dependencies.pip_settings import find_links
from modelbuild.dependencies.places import placed, places, project

SERVER = Path(__file__).parents[2] / "runtimes"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mbuild-benchmarks"
# What frameworks' own packages need beyond what the engines do, and what makes the models.
FURTHER = ("scipy", "pandas", "onnx")


def environment(name: str, packages: list[str], indexes: dict[str, str] | None = None) -> Path:
    """An environment with these packages, made anew when they change; returns its interpreter. ``indexes`` are of
    distributions that are not on PyPI.

    Raises CalledProcessError, with uv's words, where they cannot be installed.
    """
    folder = CACHE / name
    python, stamp = folder / "bin/python", folder / "packages"
    wanted = "\n".join(sorted(packages))
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making the environment {name}", file=sys.stderr)
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True, capture_output=True)
    links = find_links(os.environ)
    further = [part for link in links for part in ("--find-links", link)]
    if names := placed(packages, known := places(indexes or {}, links)):
        (folder / "pyproject.toml").write_text(project(names, known))
        further += ["-r", folder / "pyproject.toml"]
    command = [*uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *further, *packages]
    subprocess.run(command, check=True, capture_output=True, text=True)
    stamp.write_text(wanted)
    return python


def indexes() -> dict[str, str]:
    """Where PyTorch without CUDA comes from."""
    told = tomllib.loads((SERVER / "modelbuild_runtime/engines/pytorch/runtime.toml").read_text())
    return {"torch": told["index"]["torch"]}


def of_runtime(name: str) -> Path:
    """What a runtime requires, the way to its quicker form, and the server."""
    told = tomllib.loads((SERVER / "modelbuild_runtime/engines" / name / "runtime.toml").read_text())
    lines = (SERVER / "modelbuild_runtime/requirements.txt").read_text().splitlines()
    server = [line for line in lines if line and not line.startswith("#")]
    ways = told.get("optimise", {}).get("requirements", [])
    packages = [*told["requirements"], *server, *ways, *FURTHER, "onnxruntime"]
    return environment(f"engine-{name}", packages, told.get("index"))
