"""Model data that SageMaker mounts, in place of the packaged artifact.

SageMaker unpacks a model's data into /opt/ml/model. A retrained model of the same format is served by the same image;
code in that folder is not executed, since the handler is in the image.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import List, Mapping, Optional

import msgspec

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest

logger = logging.getLogger(__name__)

FOLDER = "/opt/ml/model"
_NO_DATA = {"code", "lost+found", "__MACOSX"}


def overlaid(manifest: Manifest, root: Path, environment: Mapping[str, str]) -> Manifest:
    """The manifest with the path of the mounted artifact, where one is mounted.

    Raises:
        LoadError: something is mounted that cannot stand for the packaged artifact.
    """
    folder = Path(environment.get("SM_MODEL_DIR") or FOLDER)
    entries = _visible(folder)
    data = [entry for entry in entries if entry.name not in _NO_DATA]
    if len(data) < len(entries):
        logger.warning("what is in %s besides model data is not used: the handler is the one in the image", folder)
    if not data:
        return manifest
    packaged = root / manifest.model.path
    found = fitting(packaged, folder)
    logger.warning("serving %s, which the platform mounted, in place of the packaged %s", found, packaged.name)
    return msgspec.structs.replace(manifest, model=msgspec.structs.replace(manifest.model, path=str(found.absolute())))


def fitting(packaged: Path, folder: Path) -> Path:
    """The artifact in ``folder`` that can stand for the packaged one.

    Raises:
        LoadError: there is none.
    """
    data = [entry for entry in _visible(folder) if entry.name not in _NO_DATA]
    found: Optional[Path] = _folder_like(packaged, folder, data) if packaged.is_dir() else _file_like(packaged, data)
    if found is None:
        raise _unfitting(folder, data, packaged)
    return found


def _visible(folder: Path) -> List[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:  # not there, or not ours to see
        return []


def _file_like(packaged: Path, data: List[Path]) -> Optional[Path]:
    """The file of the same name, or the only one of the same kind."""
    files = [entry for entry in data if entry.is_file()]
    named = [entry for entry in files if entry.name == packaged.name]
    alike = [entry for entry in files if entry.suffix == packaged.suffix]
    found: List[Path] = named or (alike if len(alike) == 1 else [])
    return next(iter(found), None)


def _folder_like(packaged: Path, folder: Path, data: List[Path]) -> Optional[Path]:
    """The folder of the same name, the mounted folder itself, or the only one in it, that holds all that is needed."""
    needed = {entry.name for entry in _visible(packaged)}
    folders = [entry for entry in data if entry.is_dir()]
    named = [entry for entry in folders if entry.name == packaged.name]
    for candidate in (*named, folder, *(folders if len(folders) == 1 else [])):
        if needed <= {entry.name for entry in _visible(candidate)}:
            return candidate
    return None


def _unfitting(folder: Path, data: List[Path], packaged: Path) -> LoadError:
    names = ", ".join(entry.name for entry in data[:10])
    if packaged.is_dir():
        needed = ", ".join(entry.name for entry in _visible(packaged)[:10])
        wanted = f"a folder with {needed}, as the packaged {packaged.name} has"
    else:
        wanted = f"a file {packaged.name}, or just one that ends in {packaged.suffix or 'nothing'}"
    return LoadError(
        f"{folder} holds {names or 'nothing'}, which cannot stand for the packaged artifact: it would need {wanted}",
        "Mount an artifact of the same format, or none: the image then serves the one that it was built with.",
    )
