"""A Python module is its own handler; whatever else is given, the handler beside it understands."""

from __future__ import annotations

from modelbuild.artifact import Artifact
from modelbuild.runtime import Reading


def read(artifact: Artifact) -> Reading:
    """Nothing is read here: handlers are parsed for all runtimes alike."""
    if not artifact.is_folder and artifact.source.suffix == ".py":
        return Reading("Python module", handler=artifact.name)
    return Reading("folder" if artifact.is_folder else "file")
