"""The protocols that this server speaks: every file in the folder ``protocols``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import List, Tuple

from modelbuild_runtime import protocols
from modelbuild_runtime.protocols import Protocol, Service


def discover(service: Service) -> List[Protocol]:
    """All protocols, speaking for ``service``; in the order of their names."""
    return [importlib.import_module(f"{protocols.__name__}.{name}").protocol(service) for name in names()]


def names() -> Tuple[str, ...]:
    """Names of the modules. Those that begin with an underscore are parts of others."""
    folder = Path(protocols.__file__).parent
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))
