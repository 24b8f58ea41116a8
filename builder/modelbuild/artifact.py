"""The artifact: a trained model on disk, as bytes. Reading it never runs any of its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class File:
    """One file. ``path`` is relative and POSIX; ``source`` is where it lies here and is never serialised."""

    path: str
    size: int
    sha256: str
    source: Path = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file, or a folder of files, with a digest over the paths and contents of all of them."""

    name: str
    files: tuple[File, ...]
    is_folder: bool
    digest: str
    source: Path = field(compare=False, repr=False)
