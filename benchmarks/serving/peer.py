"""What a peer is: a module of ``peers/``, found by its name. A new one is a new file, and is named nowhere else."""

import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from load import Question

PEERS = Path(__file__).parent / "peers"


class Work(NamedTuple):
    """What is to be served: a workload by name, its files, and the interpreter of the peer's environment."""

    workload: str
    folder: Path
    python: Path


class Peer(Protocol):
    """``PACKAGES`` make its environment. ``QUESTIONS`` says how it is asked, for each workload that it serves."""

    TITLE: str
    PACKAGES: tuple[str, ...]
    QUESTIONS: dict[str, tuple[Question, ...]]
    start: Callable[[Work], contextlib.AbstractContextManager[int]]
    """Runs the server on processor 0 and on load.py's port, without waiting for it; yields its process id."""


def names() -> list[str]:
    return sorted(path.stem for path in PEERS.glob("*.py"))


def peer(name: str) -> Peer:
    return importlib.import_module(f"peers.{name}")
