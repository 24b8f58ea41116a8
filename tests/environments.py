"""Environments for frameworks that are too large for the one of the tests: made once, kept under ~/.cache/mbuild-tests.

A runtime whose requirements are not installed beside the tests gets one of its own; nothing lists which those are.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from modelbuild_runtime.engines import Sample

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "runtimes" / "modelbuild_runtime"
TOOLS = ("hypothesis", "pillow", "pytest")
MAKE = """
import importlib, json, sys
from pathlib import Path
sample = importlib.import_module(f"modelbuild_runtime.engines.{sys.argv[1]}.sample").make(Path(sys.argv[2]))
made = {"path": str(sample.path), "request": sample.request, "expected": sample.expected}
more = {"options": dict(sample.options), "handler": str(sample.handler or "")}
Path(sys.argv[2], "made.json").write_text(json.dumps({**made, **more}))
"""


def names() -> list[str]:
    """The runtimes, by their folders."""
    return sorted(path.parent.name for path in SERVER.glob("engines/*/engine.py"))


def is_here(name: str) -> bool:
    """Whether the environment of the tests has all that a runtime requires."""
    for text in _requirements(name):
        try:
            importlib.metadata.version(re.split(r"[^\w.-]", text)[0])
        except importlib.metadata.PackageNotFoundError:
            return False
    return True


def python_of(name: str) -> Path:
    """An interpreter that has what a runtime requires; skips where there can be none, which fails under CI."""
    if is_here(name):
        return Path(sys.executable)
    wanted = sorted({*_requirements(name), *_quicker_requirements(name), *_server_requirements(), *TOOLS})
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mbuild-tests" / f"runtime-{name}"
    python, stamp = home / "bin" / "python", home / "wanted"
    digest = hashlib.sha256(json.dumps([wanted, sys.version]).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        _install(python, home, wanted, _declared(name).get("index", {}))
        stamp.write_text(digest)
    return python


def run_in(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with what a runtime requires, and with the server's sources."""
    environment = {**os.environ, "PYTHONPATH": str(SERVER.parent), "MBUILD_TEST_RUNTIME": name}
    command = [str(python_of(name)), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def make_sample(name: str, folder: Path) -> Sample:
    """The runtime's own sample, made by its framework wherever that is."""
    if is_here(name):
        sample: Sample = importlib.import_module(f"modelbuild_runtime.engines.{name}.sample").make(folder)
        return sample
    done = run_in(name, "-c", MAKE, name, str(folder))
    assert done.returncode == 0, done.stderr
    file = folder / "made.json"
    made: dict[str, Any] = json.loads(file.read_text())
    file.unlink()
    handler = Path(made["handler"]) if made["handler"] else None
    return Sample(Path(made["path"]), made["request"], made["expected"], made["options"], handler)


def _install(python: Path, home: Path, wanted: list[str], indexes: dict[str, str]) -> None:
    """As mbuild does it: what has a place of its own comes from there."""
    from modelbuild.dependencies.pip_settings import find_links  # this module runs in those environments, too
    from modelbuild.dependencies.places import placed, places, project

    links = find_links(os.environ)
    known = places(indexes, links)
    further = [part for link in links for part in ("--find-links", link)]
    if names := placed(wanted, known):
        (home / "pyproject.toml").write_text(project(names, known), encoding="utf-8")
        further += ["-r", str(home / "pyproject.toml")]
    _uv("pip", "install", "--quiet", "--python", str(python), *further, *wanted)


def _declared(name: str) -> dict[str, Any]:
    return tomllib.loads((SERVER / "engines" / name / "runtime.toml").read_text(encoding="utf-8"))


def _requirements(name: str) -> list[str]:
    return list(_declared(name).get("requirements", ()))


def _quicker_requirements(name: str) -> list[str]:
    """What it takes to make a quicker form of its models, and to run that."""
    told = _declared(name).get("optimise", {})
    return [*told.get("requirements", ()), *(_requirements(told["runtime"]) if told else ())]


def _server_requirements() -> list[str]:
    lines = (SERVER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _uv(*arguments: str) -> None:
    from uv import find_uv_bin

    done = subprocess.run([find_uv_bin(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"no environment for this framework: {done.stderr.strip()[-300:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
