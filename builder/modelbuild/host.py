"""The machine that builds, as a value: what the pure functions below the command line may know of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Host:
    """``cache`` is mbuild's own folder; ``python`` is "3.11", the interpreter that runs mbuild."""

    cache: Path
    python: str
    environment: Mapping[str, str]


def this_host(environment: Mapping[str, str]) -> Host:
    """The host as its environment describes it. MBUILD_CACHE, or XDG_CACHE_HOME, says where the cache is."""
    own = environment.get("MBUILD_CACHE", "")
    shared = environment.get("XDG_CACHE_HOME", "") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache")
    cache = Path(own) if own else Path(shared) / "mbuild"
    return Host(cache, f"{sys.version_info.major}.{sys.version_info.minor}", dict(environment))
