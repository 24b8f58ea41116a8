"""Bytecode for the image: compiled here, by an interpreter of the image's minor version.

Times are zeroed in layers, so pycs that carry a time would be worthless: these are "unchecked-hash" ones. What a pyc
holds depends a little on what its process compiled before, so the files are dealt to a fixed number of processes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modelbuild.dependencies.interpreter import find_interpreter

_PROCESSES = 4
# Runs in any Python from 3.8 up. Files that are no Python of this version (templates, other versions) are left alone.
_PROGRAM = """
import py_compile, sys
root = sys.argv[1]
for path in sys.stdin.read().split("\\0"):
    try:
        py_compile.compile(root + "/" + path, dfile="/" + path, doraise=True,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, SyntaxError, ValueError, RecursionError):
        pass
"""


def compile_bytecode(root: Path, python: str) -> tuple[str, ...]:
    """Put a ``__pycache__`` beside every module below the root-shaped ``root``; returns notes for the user."""
    interpreter = find_interpreter(python)
    if interpreter is None:
        return (f"No Python {python} on this machine: the image has no bytecode and starts a little slower.",)
    sources = sorted(path for path in root.rglob("*.py") if path.is_file())
    hands = [hand for hand in _deal(root, sources) if hand]
    # In an empty folder: Python puts its own on the path, and nothing of the tree may run here.
    with tempfile.TemporaryDirectory(prefix="mbuild-") as empty, ThreadPoolExecutor(_PROCESSES) as pool:
        list(pool.map(lambda hand: _compile(interpreter, root, hand, empty), hands))
    return ()


def _deal(root: Path, sources: Sequence[Path]) -> list[list[str]]:
    """The same hands on every machine, about equal in bytes."""
    hands: list[list[str]] = [[] for _ in range(_PROCESSES)]
    loads = [0] * _PROCESSES
    for path in sources:
        least = loads.index(min(loads))
        hands[least].append(path.relative_to(root).as_posix())
        loads[least] += path.stat().st_size
    return hands


def _environment() -> dict[str, str]:
    """Without Python's own variables, and with a fixed seed: older Pythons write sets in the order of their hashes."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**inherited, "PYTHONHASHSEED": "0"}


def _compile(interpreter: Path, root: Path, paths: Sequence[str], folder: str) -> None:
    subprocess.run(
        [interpreter, "-s", "-S", "-W", "ignore", "-c", _PROGRAM, str(root)],
        input="\0".join(paths),
        text=True,
        encoding="utf-8",
        capture_output=True,
        env=_environment(),
        cwd=folder,
        check=True,
    )
