"""``mbuild doctor``: what this machine can do, and how to mend what is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv

from modelbuild.config import Options
from modelbuild.engines import BuildEngine, choose
from modelbuild.errors import BaseImageError, MbuildError
from modelbuild.host import Host
from modelbuild.progress import Progress
from modelbuild.terminal import size_text

ENOUGH_SPACE = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``hint`` says what to do where it is not ``ok``."""

    what: str
    ok: bool
    seen: str
    hint: str = ""


def examine(host: Host, progress: Progress) -> tuple[Finding, ...]:
    """Look at everything that packaging needs. Changes nothing."""
    engine, finding = _engine(host)
    found = [finding]
    if engine:
        found.append(_base(engine, host, progress))
    found.append(_uv())
    found.extend(_space(host))
    return tuple(found)


def _engine(host: Host) -> tuple[BuildEngine | None, Finding]:
    try:
        engine = choose("", host)
    except MbuildError as error:
        return None, Finding("build engine", ok=False, seen=error.message, hint=f"{error.details}\n{error.hint}")
    return engine, Finding("build engine", ok=True, seen=engine.reason)


def _base(engine: BuildEngine, host: Host, progress: Progress) -> Finding:
    reference = f"python:{host.python}-slim"
    try:
        base = engine.base(reference, Options().platform, pull=False, progress=progress)
    except BaseImageError as error:
        return Finding("base image", ok=False, seen=error.message, hint=error.hint)
    return Finding("base image", ok=True, seen=f"{base.pinned}: Python {base.python}, {base.libc}")


def _uv() -> Finding:
    version = subprocess.run([uv.find_uv_bin(), "--version"], capture_output=True, text=True, check=False)
    return Finding("resolver", ok=version.returncode == 0, seen=version.stdout.strip(), hint="pip install uv")


def _space(host: Host) -> Iterator[Finding]:
    folder = next(path for path in [host.cache, *host.cache.parents] if path.exists())
    free = shutil.disk_usage(folder).free
    hint = f"Free some space, or put the cache elsewhere with MBUILD_CACHE. {host.cache} can be deleted at any time."
    yield Finding("space for the cache", ok=free > ENOUGH_SPACE, seen=f"{size_text(free)} free at {folder}", hint=hint)
    used = sum(path.stat().st_size for path in Path(host.cache).rglob("*") if path.is_file() and not path.is_symlink())
    yield Finding("cache", ok=True, seen=f"{size_text(used)} in {host.cache}")
