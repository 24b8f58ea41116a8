"""Environments for clients that cannot live beside the server's tests: made once, kept under ~/.cache/mbuild-tests."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

HERE = Path(__file__).parent


def python_of(name: str) -> Path:
    """The interpreter of the environment ``venv-<name>`` with what ``<name>.txt`` pins; skips where it cannot be made."""
    pins = HERE / f"{name}.txt"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mbuild-tests" / f"venv-{name}"
    python, stamp = home / "bin" / "python", home / "pins"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(home))
    _uv("pip", "install", "--quiet", "--no-deps", "--python", str(python), "--requirement", str(pins))
    stamp.write_text(wanted)
    return python


def _uv(*arguments: str) -> None:
    done = subprocess.run([find_uv_bin(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no environment for this client: {done.stderr.strip()[-300:]}")
