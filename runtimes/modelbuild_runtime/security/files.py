"""Files that others replace while the server runs, as Kubernetes does with its secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, Tuple

from modelbuild_runtime.errors import SettingError

Stamp = Tuple[Tuple[int, int, int], ...]
"""By what a change shows."""


def stamp(paths: Iterable[str]) -> Stamp:
    """Of files as they are now. Links are followed to what they lead to."""
    return tuple([_stamp(Path(path)) for path in paths])


def _stamp(path: Path) -> Tuple[int, int, int]:
    try:
        told = path.stat()
    except (OSError, ValueError):
        return (0, 0, 0)
    return (told.st_mtime_ns, told.st_ino, told.st_size)


def read(variable: str, path: str) -> str:
    """The text of a file that a setting names.

    Raises:
        SettingError: it cannot be read.
    """
    try:
        return Path(path).read_text("utf-8", "replace")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        refused = isinstance(error, PermissionError)
        hint = f"it must be readable by user {os.getuid()} of group {os.getgid()}" if refused else ""
        raise SettingError(f"{variable}: {path} cannot be read: {why}", hint) from error
