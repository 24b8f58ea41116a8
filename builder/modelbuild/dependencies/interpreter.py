"""Python interpreters on this machine."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import uv

_ASK = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


@functools.cache
def find_interpreter(python: str) -> Path | None:
    """A CPython of this minor version ("3.11"), or None: this one, what uv finds, or one of pyenv's."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}" and sys.implementation.name == "cpython":
        return Path(sys.executable)
    return next((path for path in _candidates(python) if _is(path, python)), None)


def _candidates(python: str) -> Iterator[Path]:
    found = subprocess.run(
        [
            uv.find_uv_bin(),
            "python",
            "find",
            "--no-project",
            "--no-config",
            "--no-python-downloads",
            f"cpython{python}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 0 and found.stdout.strip():
        yield Path(found.stdout.strip())
    pyenv = Path(os.environ.get("PYENV_ROOT", "") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{python}.*/bin/python{python}"), reverse=True)


def _is(path: Path, python: str) -> bool:
    try:
        answer = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.split() == ["cpython", python]
