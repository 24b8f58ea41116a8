"""What an MLflow folder requires: its requirements.txt, or the older conda.yaml's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from modelbuild.errors import ArtifactError
from modelbuild.formats.mlmodel import MAX_SIZE, optional_yaml

SMALLER = {"mlflow": "mlflow-skinny", "xgboost": "xgboost-cpu", "tensorflow": "tensorflow-cpu"}
"""Distributions that bring the same modules with less around them: no tracking server, nothing for GPUs."""


def requirements_of(folder: Path) -> Iterator[str]:
    """Requirements that an image can have, by the smaller of two names.

    Raises:
        ArtifactError: one of them is no requirement.
    """
    for line in _lines(folder):
        # A build of the machine that saved it (torch==2.8.0+cu128) says what was there, not what the model needs.
        plain = re.sub(r"(==\s*[\w.]+)\+[\w.]+", r"\1", re.sub(r"(^|\s)#.*$", "", line).strip())
        if not plain or plain.startswith("-"):
            continue
        try:
            wanted = Requirement(plain)
        except InvalidRequirement as error:
            raise ArtifactError(
                f"{folder.name} requires {plain!r}, which is no requirement that can be installed.",
                hint="Write NAME==VERSION into its requirements.txt; what is on no index needs --find-links.",
            ) from error
        smaller = SMALLER.get(canonicalize_name(wanted.name))
        yield f"{smaller}{wanted.specifier}{f'; {wanted.marker}' if wanted.marker else ''}" if smaller else str(wanted)


def _lines(folder: Path) -> Iterator[str]:
    """What the model needs, as MLflow wrote it: requirements.txt, or the older conda.yaml's."""
    file = folder / "requirements.txt"
    if file.is_file() and file.stat().st_size <= MAX_SIZE:
        yield from file.read_text(encoding="utf-8", errors="replace").splitlines()
        return
    found = optional_yaml(folder / "conda.yaml").get("dependencies")
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict):
            inner = item.get("pip")
            yield from (line for line in (inner if isinstance(inner, list) else ()) if isinstance(line, str))
        elif isinstance(item, str) and re.fullmatch(r"[\w.-]+=[\w.]+(=\w+)?", item):
            name, version = item.split("=")[:2]
            if name not in {"python", "pip"}:
                yield f"{name}=={version}"
