"""Programs that make another model of a model: a runtime's ``prepare.py``, and the forms of ``--optimize``."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelbuild.errors import NoSpaceError, UnsupportedModelError

TIMEOUT = 1800
"""Seconds."""


def run_converter(
    command: Sequence[str | Path], doing: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, whatever that is. ``doing`` begins a sentence: "The conversion of model.pb".

    Raises:
        NoSpaceError: it failed because the disk is full.
        UnsupportedModelError: it took too long.
    """
    try:
        ended = subprocess.run(
            command,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnsupportedModelError(f"{doing} took more than {TIMEOUT} s.") from error
    if ended.returncode and "No space left on device" in ended.stderr:
        raise NoSpaceError("The disk is full.", details=ended.stderr)
    return ended
