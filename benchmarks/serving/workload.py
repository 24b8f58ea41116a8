"""What a workload is: a module of ``workloads/``, found by its name."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

WORKLOADS = Path(__file__).parent / "workloads"


class Workload(Protocol):
    """``make`` writes ``MODEL`` and what ``questions`` reads; ``CONNECTIONS`` ask at the same time."""

    TITLE: str
    MODEL: str
    HANDLER: Path | None
    PACKAGE: tuple[str, ...]
    CONNECTIONS: tuple[int, ...]
    LOOPS: dict[str, str]
    make: Callable[[Path], None]
    questions: Callable[[Path], tuple[np.ndarray, np.ndarray]]


def names() -> list[str]:
    """As people say them: W1, W1-single."""
    return [_spoken(path.stem) for path in sorted(WORKLOADS.glob("*.py"))]


def workload(name: str) -> Workload:
    return importlib.import_module(f"workloads.{name.lower().replace('-', '_')}")


def _spoken(stem: str) -> str:
    return stem.capitalize().replace("_", "-")
