"""A cache of root-shaped trees: made once, published whole, checked at every use.

``trees/<key>/`` holds the files, ``trees/<key>.json`` what they are. Modes are fixed and times are zero, so a file
that somebody edited is seen by its time, and a tree that was damaged is made anew.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelbuild.artifact import File
from modelbuild.errors import NoSpaceError
from modelbuild.hashing import sha256_of
from modelbuild.planning.plan import Tree

UNUSED_SECONDS = 30 * 24 * 60 * 60
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class TreeCache:
    """Trees below a folder of mbuild's cache."""

    folder: Path

    def get(self, name: str, inputs: Sequence[Any], build: Callable[[Path], Sequence[str]]) -> Tree:
        """The tree made from ``inputs``; ``build`` fills an empty folder and returns notes for the user.

        Raises:
            NoSpaceError: the disk is full.
        """
        key = hashlib.sha256(json.dumps([_FORMAT, name, *inputs]).encode()).hexdigest()
        tree = self._read(name, key)
        if tree is None:
            with _held(self.folder / "locks" / f"{name}-{key[:16]}"):
                # Somebody else may have made it while this process waited.
                tree = self._read(name, key) or self._make(name, key, build)
        return tree

    def _read(self, name: str, key: str) -> Tree | None:
        root = self.folder / "trees" / key
        path = root.with_name(f"{key}.json")
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            os.utime(path)
            files = tuple(_checked(root, *entry) for entry in described["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Tree(name, files, described["digest"], tuple(described["notes"]))

    def _make(self, name: str, key: str, build: Callable[[Path], Sequence[str]]) -> Tree:
        trees = self.folder / "trees"
        temporary = trees / f".{key[:16]}-{os.getpid()}"
        # This process holds the lock: what lies there is from one that was killed.
        for left_over in trees.glob(f".{key[:16]}-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        self._forget_unused(time.time())
        try:
            temporary.mkdir(parents=True)
            notes = tuple(build(temporary))
            files = tuple(_normalised(temporary))
            self._publish(temporary, key, {"files": _rows(files), "digest": tree_digest(files), "notes": notes})
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise NoSpaceError(f"The disk is full, at {self.folder}.", hint="Free some space there.") from error
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        tree = self._read(name, key)
        assert tree is not None, "a tree that was just published"
        return tree

    def _forget_unused(self, now: float) -> None:
        """Trees that nothing has asked for in a month go, so that the cache does not grow for ever."""
        for described in (self.folder / "trees").glob("*.json"):
            with contextlib.suppress(OSError):
                if now - described.stat().st_mtime > UNUSED_SECONDS:
                    described.unlink()
                    shutil.rmtree(described.with_suffix(""))

    def _publish(self, temporary: Path, key: str, description: dict[str, Any]) -> None:
        root = self.folder / "trees" / key
        described = root.with_name(f"{key}.json")
        described.unlink(missing_ok=True)
        if root.exists():  # It was damaged. Whoever still reads it keeps the files that he has open.
            shutil.rmtree(root)
        temporary.rename(root)
        staged = root.with_name(f".{key}.json")
        staged.write_text(json.dumps(description), encoding="utf-8")
        staged.replace(described)


def tree_digest(files: Iterable[File]) -> str:
    """A digest over paths, modes and contents."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):
        digest.update(f"{file.path}\0{int(file.executable)}\0{file.sha256}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _rows(files: Iterable[File]) -> list[tuple[str, int, str, bool]]:
    return [(file.path, file.size, file.sha256, file.executable) for file in files]


def _checked(root: Path, path: str, size: int, sha256: str, executable: bool) -> File:
    source = root / path
    status = source.stat()
    if status.st_size != size or status.st_mtime_ns != 0:
        raise ValueError(path)
    return File(path, size, sha256, source, executable)


def _normalised(root: Path) -> Iterator[File]:
    """Every file below ``root``, its mode and times fixed."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            executable = bool(path.stat().st_mode & 0o100)
            path.chmod(0o755 if executable else 0o644)
            os.utime(path, ns=(0, 0))
            yield File(path.relative_to(root).as_posix(), path.stat().st_size, sha256_of(path)[1], path, executable)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process. Without it two processes would do the same work, harmlessly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415  # not on every platform

            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
