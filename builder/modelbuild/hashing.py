"""SHA-256 of files, read once: a large file's digest is remembered until the file changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

from modelbuild.errors import ArtifactError

WORTH_REMEMBERING = 1 << 20
SETTLED_NS = 1_000_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


def sha256_of(path: Path, cache: Path | None = None) -> tuple[int, str]:
    """Size and digest of a file. With a cache, a file of which nothing has changed is not read again.

    Raises:
        OSError: it cannot be read.
        ArtifactError: it changed while it was read.
    """
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        memo = _memo(before, cache)
        known = _recall(memo, before)
        if known:
            return before.st_size, known
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    if _identity(before) != _identity(after):
        raise ArtifactError(f"{path} changed while it was read.", hint="Wait until it is written, then try again.")
    _remember(memo, digest)
    return before.st_size, digest


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _memo(status: os.stat_result, cache: Path | None) -> Path | None:
    if cache is None or status.st_size < WORTH_REMEMBERING:
        return None
    key = hashlib.sha256(repr(_identity(status)).encode()).hexdigest()
    return cache / "sha256" / key[:2] / key[2:]


def _recall(memo: Path | None, status: os.stat_result) -> str:
    """The remembered digest. A memo written within a second of the file's last change is not trusted: a second
    change in the same tick of the file system's clock would leave every time stamp as it was.
    """
    if memo is None:
        return ""
    try:
        if memo.stat().st_mtime_ns - status.st_ctime_ns < SETTLED_NS:
            return ""
        digest = memo.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
    return digest if _DIGEST.fullmatch(digest) else ""


def _remember(memo: Path | None, digest: str) -> None:
    """The memo only saves time: where it cannot be written, nothing is lost."""
    if memo is None:
        return
    scratch = memo.with_name(f"{memo.name}.{os.getpid()}")
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(digest, encoding="ascii")
        scratch.replace(memo)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
