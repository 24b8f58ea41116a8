"""The user's feature code, as the builder sees it: parsed, never executed."""

from __future__ import annotations

from dataclasses import dataclass

from modelbuild.artifact import File


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler module and all that belongs to it.

    ``style`` is "functions" (preprocess, postprocess, predict, load), "torchserve" (handle or a class) or
    "sagemaker" (model_fn and friends). ``entry_points`` are the functions or the class found.
    ``files`` are the module, its local helper modules and its data files, relative to the module's folder.
    """

    module: str
    style: str
    entry_points: tuple[str, ...]
    files: tuple[File, ...]
    imports: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    python: str = ""
