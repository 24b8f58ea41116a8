"""The context: what is sent to a build engine. Its bytes are equal for equal plans."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelbuild.artifact import File
from modelbuild.dependencies.lock import Lock
from modelbuild.errors import ArtifactError, NoSpaceError, UsageError
from modelbuild.planning.plan import Plan, Tree

DOCKERFILE = "Dockerfile"
LOCK = "requirements.lock"
MARKER = ".mbuild-context"
_BLOCK = 512
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Context:
    """A Dockerfile, the lock, and one folder a layer, named like the layer."""

    plan: Plan
    dockerfile: str
    trees: tuple[Tree, ...]
    lock: Lock

    def files(self, layers: Collection[str] | None = None) -> dict[str, File | bytes]:
        """What lies where in the context, sorted; of the trees only those in ``layers`` where that is given."""
        found: dict[str, File | bytes] = {
            DOCKERFILE: self.dockerfile.encode(),
            LOCK: self.lock.text.encode(),
        }
        for tree in self.trees:
            if layers is None or tree.name in layers:
                found |= {f"{tree.name}/{file.path}": file for file in tree.files}
        return dict(sorted(found.items()))

    def size(self, layers: Collection[str] | None = None) -> int:
        """Bytes of the files, for a progress bar."""
        return sum(item.size if isinstance(item, File) else len(item) for item in self.files(layers).values())

    def tar(self, layers: Collection[str] | None = None) -> Iterator[bytes]:
        """The context as a tar, in pieces: sorted, times zero, owned by root, modes fixed.

        Raises:
            ArtifactError: a file changed since it was read.
        """
        folders: set[str] = set()
        for path, item in self.files(layers).items():
            for folder in _new_folders(path, folders):
                yield _header(folder, tarfile.DIRTYPE, 0, executable=True)
            if isinstance(item, bytes):
                yield _header(path, tarfile.REGTYPE, len(item), executable=False) + item + _padding(len(item))
            else:
                yield _header(path, tarfile.REGTYPE, item.size, executable=item.executable)
                yield from _content(item)
                yield _padding(item.size)
        yield bytes(2 * _BLOCK)

    def write(self, folder: Path) -> None:
        """Write the context into a folder that plain ``docker build`` accepts.

        Raises:
            UsageError: the folder holds something that is not a context written before.
            NoSpaceError: the disk is full.
        """
        files = self.files()
        try:
            _make_room(folder)
            for path, item in files.items():
                _write_file(folder / path, item)
            (folder / MARKER).write_text(json.dumps(sorted(files), indent=0), encoding="utf-8")
            _fix_folders(folder, files)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise NoSpaceError(f"The disk of {folder} is full.", hint="Free some space there.") from error
            raise UsageError(
                f"{error.filename or folder} cannot be written: {error.strerror}.", hint="Choose another --output."
            ) from error


def _new_folders(path: str, seen: set[str]) -> Iterator[str]:
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        if str(parent) not in seen:
            seen.add(str(parent))
            yield str(parent)


def _header(path: str, kind: bytes, size: int, *, executable: bool) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.type, entry.size = kind, size
    entry.mode = 0o755 if executable else 0o644
    entry.mtime = 0  # a whole number: a fraction would need a further header
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _content(file: File) -> Iterator[bytes]:
    left, digest = file.size, hashlib.sha256()
    try:
        with file.source.open("rb") as stream:
            while left and (piece := stream.read(min(_CHUNK, left))):
                left -= len(piece)
                digest.update(piece)
                yield piece
    except OSError as error:
        raise _changed(file) from error
    if left or digest.hexdigest() != file.sha256:
        raise _changed(file)


def _changed(file: File) -> ArtifactError:
    return ArtifactError(f"{file.source} changed while it was being packaged.", hint="Start again when it is complete.")


def _make_room(folder: Path) -> None:
    """An empty folder, or one whose files were all written here before: those go."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {MARKER, *_written(folder / MARKER)}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    foreign = sorted(name for name, path in found.items() if name not in written and not _is_plain_folder(path))
    if foreign:
        raise UsageError(
            f"{folder} is not empty, and holds {foreign[0]}, which mbuild did not write.",
            hint="Choose another --output, or remove it.",
        )
    for path in sorted(found.values(), reverse=True):  # what is in a folder comes before it
        path.rmdir() if _is_plain_folder(path) else path.unlink()


def _written(marker: Path) -> list[str]:
    """What a rendering before this one wrote."""
    try:
        return [str(path) for path in json.loads(marker.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _write_file(path: Path, item: File | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(item, bytes):
        path.write_bytes(item)
        path.chmod(0o644)
    else:
        with path.open("wb") as target:
            target.writelines(_content(item))
        path.chmod(0o755 if item.executable else 0o644)
    os.utime(path, ns=(0, 0))


def _fix_folders(folder: Path, files: Collection[str]) -> None:
    """Modes and times of folders end up in the image's layers too. Deepest first: a change inside sets the time."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents[:-1]}
    for path in sorted(folders, reverse=True):
        (folder / path).chmod(0o755)
        os.utime(folder / path, ns=(0, 0))
