"""Model archives (.mar) of Multi-Model-Server and TorchServe: a zip with the model's files, its handler, and
MAR-INF/MANIFEST.json.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, Tuple

import msgspec

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.handler.folders import new_folder
from modelbuild_runtime.manifest import Handler, Manifest, Model

MANIFEST = "MAR-INF/MANIFEST.json"
MOST_FILES = 10_000
MOST_BYTES = 16 << 30
_RATIO = 200
"""How many times larger than itself an archive may become: weights hardly compress, and code ten times at most."""
_CHUNK = 1 << 20


def opened(path: Path, name: str, packaged: Manifest) -> Tuple[Manifest, Path]:
    """Unpack an archive into a folder of its own; what serves it, and the folder.

    Raises:
        LoadError: it is no archive, or one that would write elsewhere, or be far larger than it looks.
    """
    folder = new_folder()
    if folder is None:
        raise LoadError("there is no folder to unpack an archive into", "mount a writable /tmp")
    try:
        with zipfile.ZipFile(path) as archive:
            for member, target in _members(archive, folder, path):
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(archive, member, target)
        return _served(folder, name, packaged), folder
    except LoadError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except Exception as error:  # zipfile fails in many ways on what is no archive
        shutil.rmtree(folder, ignore_errors=True)
        raise LoadError(f"{path.name} cannot be unpacked: {error}") from error


def _members(archive: zipfile.ZipFile, folder: Path, path: Path) -> Iterator[Tuple[zipfile.ZipInfo, Path]]:
    """The files, and where they go: below the folder, as plain files, and not more than could be meant."""
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if len(infos) > MOST_FILES or total > min(MOST_BYTES, max(path.stat().st_size, _CHUNK) * _RATIO):
        raise LoadError(f"{path.name} would be {len(infos)} files of {total} bytes when unpacked")
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        mode = info.external_attr >> 16
        if not info.filename or info.filename.startswith("/") or ".." in parts or (mode and stat.S_ISLNK(mode)):
            raise LoadError(f"{path.name} holds {info.filename[:200]!a}, which is not a file below its folder")
        if not info.is_dir():
            yield info, folder.joinpath(*parts)


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    left = member.file_size
    with archive.open(member) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise LoadError(f"{member.filename!a} is larger than the archive says")
            sink.write(chunk)


def _served(folder: Path, name: str, packaged: Manifest) -> Manifest:
    try:
        said: Dict[str, Any] = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Dict[str, Any])
        model = msgspec.convert(said.get("model"), Dict[str, Any])
    except OSError as error:
        raise LoadError(f"there is no {MANIFEST} in the archive") from error
    except msgspec.DecodeError as error:
        raise LoadError(f"{MANIFEST} of the archive cannot be read: {error}") from error
    module, _, function = str(model.get("handler", "")).partition(":")
    module = module.removesuffix(".py")
    if not module or not (folder / f"{module.replace('.', '/')}.py").is_file():
        raise LoadError(f"the archive names the handler {module!r}, and holds no such module")
    artifact = folder / str(model.get("serializedFile") or MANIFEST.partition("/")[0])
    version = str(model.get("modelVersion") or "1.0")
    return Manifest(
        Model(name, version, str(artifact)),
        packaged.runtime,
        handler=Handler(f"{module}:{function}" if function else module, str(folder), "torchserve"),
    )
