"""The artifact: a trained model on disk, as bytes. Reading it never runs any of its code."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from modelbuild.errors import ArtifactError
from modelbuild.hashing import sha256_of

MAX_FILES = 20_000
MAX_DEPTH = 32
LITTER = frozenset({".git", ".hg", ".svn", ".DS_Store", "Thumbs.db", "__pycache__", ".ipynb_checkpoints"})
"""Names that are never part of a model."""


@dataclass(frozen=True, slots=True)
class File:
    """One file. ``path`` is relative and POSIX; ``source`` is where it lies here and is never serialised."""

    path: str
    size: int
    sha256: str
    source: Path = field(compare=False, repr=False)
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file, or a folder of files, with a digest over the paths and contents of all of them.

    A model file's ``files`` are itself, first, and its companions: files beside it that belong to it.
    """

    name: str
    files: tuple[File, ...]
    is_folder: bool
    digest: str
    source: Path = field(compare=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def read_artifact(path: Path, *, cache: Path) -> Artifact:
    """Read a model file or folder. ``cache`` remembers digests, so that a large file is read once.

    Raises:
        ArtifactError: it is missing, empty, unreadable, special, or holds links that leave it.
    """
    source = _resolve(path)
    name = _checked_name(source.name if path.name in {"", ".."} else path.name, path)
    mode = source.stat().st_mode
    if stat.S_ISREG(mode):
        files: tuple[File, ...] = (_read_file(source, name, cache),)
    elif stat.S_ISDIR(mode):
        files = tuple(_read_file(file, relative, cache) for relative, file in sorted(files_in(source)))
    else:
        raise ArtifactError(f"{path} is neither a file nor a folder.", hint="Give the model's file or folder.")
    if not files:
        raise ArtifactError(f"{path} is an empty folder.", hint="Give the folder that the model was saved to.")
    if not any(file.size for file in files):
        raise ArtifactError(f"{path} is empty.", hint="Save the model again: its writing was probably interrupted.")
    return Artifact(name, files, stat.S_ISDIR(mode), digest_of(files), source)


def with_companions(artifact: Artifact, names: Iterable[str], *, cache: Path | None = None) -> Artifact:
    """The artifact with further files that lie beside it, such as ONNX external data.

    Raises:
        ArtifactError: a name leaves the artifact's folder, or there is no such file.
    """
    if artifact.is_folder:
        return artifact
    have = {file.path for file in artifact.files}
    wanted = [name for name in dict.fromkeys(names) if name not in have]
    folder = artifact.source.parent
    added = tuple(_read_file(companion(folder, name, artifact.name), name, cache) for name in sorted(wanted))
    files = artifact.files + added
    return dataclasses.replace(artifact, files=files, digest=digest_of(files))


def folder_in(artifact: Artifact, path: str) -> Artifact:
    """The artifact that a folder in a folder is.

    Raises:
        ArtifactError: it holds no files.
    """
    start = f"{path}/"
    files = tuple(
        dataclasses.replace(file, path=file.path.removeprefix(start))
        for file in artifact.files
        if file.path.startswith(start)
    )
    if not files:
        raise ArtifactError(f"{artifact.name} holds no folder {path}.")
    name = PurePosixPath(path).name
    return Artifact(name, files, is_folder=True, digest=digest_of(files), source=artifact.source / path)


def part_of(artifact: Artifact, path: str) -> Artifact:
    """The artifact that a file or a folder in a folder is.

    Raises:
        ArtifactError: there is neither.
    """
    file = next((file for file in artifact.files if file.path == path), None)
    if file is None:
        return folder_in(artifact, path)
    alone = dataclasses.replace(file, path=PurePosixPath(path).name)
    return Artifact(alone.path, (alone,), is_folder=False, digest=digest_of((alone,)), source=file.source)


def joined(artifact: Artifact, beside: Artifact) -> Artifact:
    """A folder with what is in another that it lacks."""
    have = {file.path for file in artifact.files}
    files = (*artifact.files, *(file for file in beside.files if file.path not in have))
    return dataclasses.replace(artifact, files=files, digest=digest_of(files))


def without(artifact: Artifact, paths: Iterable[str]) -> Artifact:
    """The artifact but for some of its files."""
    left_out = frozenset(paths)
    files = tuple(file for file in artifact.files if file.path not in left_out)
    return dataclasses.replace(artifact, files=files, digest=digest_of(files))


def companion(folder: Path, name: str, owner: str) -> Path:
    """Where the file ``name`` lies that ``owner`` says belongs to it.

    Raises:
        ArtifactError: the name leaves the folder, or there is no such file.
    """
    pure = PurePosixPath(name)
    strange = not name or "\\" in name or "\0" in name or ":" in name or str(pure) != name
    if strange or pure.is_absolute() or ".." in pure.parts:
        raise ArtifactError(
            f"{owner} refers to the file {name!r}, which is not a plain path below the model's folder.",
            hint="Save the model again with its data files beside it. A path that leaves the folder may be an attack.",
        )
    path = folder / pure
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ArtifactError(
            f"{owner} keeps data in {name!r}, and there is no such file in {folder}.",
            hint="Copy the data files along with the model: they belong together.",
        ) from error
    if not resolved.is_file():
        raise ArtifactError(f"{owner} keeps data in {name!r}, which is no file.")
    if not resolved.is_relative_to(folder.resolve()):
        raise ArtifactError(f"{owner} keeps data in {name!r}, a link that leaves the model's folder.")
    return resolved


def digest_of(files: Iterable[File]) -> str:
    """One digest over the sorted paths, sizes and contents."""
    lines = sorted(f"{file.path}\0{file.size}\0{file.sha256}" for file in files)
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_litter(path: Path) -> bool:
    """Whether a file or folder is never part of a model."""
    return path.name in LITTER


def files_in(folder: Path, skip: Callable[[Path], bool] = is_litter) -> Iterator[tuple[str, Path]]:
    """Every file below a folder as (relative POSIX path, where it lies); links inside the folder are followed.

    Raises:
        ArtifactError: a link leaves the folder, there is something that is no file, or far too much.
    """
    root = folder.resolve()
    count = 0
    pending: list[tuple[Path, int]] = [(root, 0)]
    while pending:
        current, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ArtifactError(
                f"{folder} is nested deeper than {MAX_DEPTH} folders.", hint="Is there a link that loops?"
            )
        for entry in _entries(current):
            path = Path(entry.path)
            if skip(path):
                continue
            count += 1
            if count > MAX_FILES:
                raise ArtifactError(
                    f"{folder} holds more than {MAX_FILES} files.", hint="Give the model's own folder, not a project's."
                )
            relative = _checked_name(path.relative_to(root).as_posix(), folder)
            if _is_folder_inside(path, root, folder):
                pending.append((path, depth + 1))
            else:
                yield relative, path.resolve()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise ArtifactError(f"{folder} cannot be read: {error.strerror}.", hint="Check its permissions.") from error


def _is_folder_inside(path: Path, root: Path, folder: Path) -> bool:
    """Whether it is a folder; refuses what is neither file nor folder, and links that lead out."""
    relative = path.relative_to(root)
    try:
        resolved = path.resolve(strict=True)
        mode = resolved.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise ArtifactError(f"{relative} in {folder} is a broken link.", hint="Remove it, or mend it.") from error
    if not resolved.is_relative_to(root):
        raise ArtifactError(
            f"{relative} in {folder} is a link to {resolved}, outside of the folder.",
            hint="Copy the folder with its links followed: cp -rL.",
        )
    if stat.S_ISDIR(mode):
        if path.is_symlink() and path.is_relative_to(resolved):
            raise ArtifactError(f"{relative} in {folder} is a link to a folder around it.", hint="Remove the link.")
        return True
    if not stat.S_ISREG(mode):
        raise ArtifactError(f"{relative} in {folder} is neither a file nor a folder.", hint="Remove it.")
    return False


def _resolve(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist.", hint=_missing_hint(path)) from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArtifactError(f"{path} cannot be read: {reason}.", hint="Check the path and its permissions.") from error


def _missing_hint(path: Path) -> str:
    if path.is_symlink():
        return "It is a link to something that is gone."
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent))[:8]
    except OSError:
        return f"There is no folder {path.parent} either."
    return f"In {path.parent} there are: {', '.join(names)}." if names else f"{path.parent} is empty."


def _checked_name(name: str, where: Path) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ArtifactError(f"{where} holds a file whose name is not UTF-8: {name!r}.", hint="Rename it.") from error
    if not name.isprintable():
        raise ArtifactError(f"{where} holds a file with control characters in its name: {name!r}.", hint="Rename it.")
    return name


def _read_file(source: Path, path: str, cache: Path | None) -> File:
    try:
        size, digest = sha256_of(source, cache)
    except OSError as error:
        raise ArtifactError(
            f"{source} cannot be read: {error.strerror or error}.", hint="Check its permissions."
        ) from error
    return File(path, size, digest, source)
