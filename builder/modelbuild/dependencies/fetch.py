"""The dependency layer: what the lock says, installed by uv into a root-shaped tree, the same whoever does it."""

from __future__ import annotations

import base64
import csv
import io
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from packaging.utils import canonicalize_name

from modelbuild.dependencies.bytecode import compile_bytecode
from modelbuild.dependencies.index import Index
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.dependencies.lock import Lock, describe, target_arguments
from modelbuild.dependencies.places import absolute, placed
from modelbuild.dependencies.resolver import failure, run_uv
from modelbuild.dependencies.symbols import drop_symbols
from modelbuild.dependencies.unneeded import UNNEEDED, unneeded
from modelbuild.errors import RequirementError
from modelbuild.hashing import sha256_of
from modelbuild.planning.plan import Tree
from modelbuild.planning.tree_cache import TreeCache

SITE = "opt/mbuild/deps"
# Files that differ by installer, by machine or by time. They say nothing that a server asks.
_TRACES = ("direct_url.json", "uv_cache.json", "uv_build.json", "INSTALLER", "REQUESTED")
_FORMAT = 2

Patterns = Mapping[str, Sequence[str]]
"""Paths in site-packages, by the canonical name of their distribution."""
NOTHING: Patterns = MappingProxyType({})


def fetch(
    lock: Lock, *, cache: Path, index: Index | None = None, bytecode: bool = True, without: Patterns = NOTHING
) -> Tree:
    """The tree "dependencies" of a lock: from the cache, or fetched and hash-checked now. ``without`` is what this
    runtime does not need of them.

    Raises:
        RequirementError: a distribution cannot be fetched or does not fit the platform.
        NoSpaceError: the disk is full.
    """
    interpreter = bytecode and find_interpreter(lock.python) is not None
    inputs = [_FORMAT, lock.digest, sorted(UNNEEDED.items()), sorted(without.items()), interpreter]

    def install(root: Path) -> tuple[str, ...]:
        return _install(root, lock, index or Index(), bytecode, without)

    return TreeCache(cache).get("dependencies", inputs, install)


def _install(root: Path, lock: Lock, index: Index, bytecode: bool, without: Patterns) -> tuple[str, ...]:
    site = root / SITE
    site.mkdir(parents=True)
    if lock.requirements:
        _run_install(root, site, lock, index)
        clean(site, without)
        for name in lock.from_source:
            _require_pure(site, name, lock)
    return compile_bytecode(root, lock.python) if bytecode else ()


def _run_install(root: Path, site: Path, lock: Lock, index: Index) -> None:
    text = root / "requirements.lock"
    text.write_text(lock.text, encoding="utf-8")
    places = sorted({absolute(index.places[name]) for name in placed(lock.requirements, index.places)})
    arguments = [
        *("pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *(part for name in lock.from_source for part in ("--no-binary", name)),
        # Copies: this tree's times and modes are its own, and uv's cache is not ours to change.
        *("--link-mode", "copy", *target_arguments(lock)),
        *(part for link in places for part in ("--find-links", link)),
        *("--target", str(site), "-r", str(text)),
    ]
    outcome = run_uv(arguments, index)
    text.unlink()
    if outcome.status:
        raise failure(outcome.errors, describe(lock))


def clean(site: Path, without: Patterns = NOTHING) -> None:
    """Remove what no server needs and every trace of this machine, and make each RECORD say so."""
    # Console scripts name this machine's interpreter. In the image everything starts with python3 -m.
    shutil.rmtree(site / "bin", ignore_errors=True)
    (site / ".lock").unlink(missing_ok=True)
    for information in sorted(site.glob("*.dist-info")):
        for path in list(unneeded(site, _name(information), without)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for trace in _TRACES:
            (information / trace).unlink(missing_ok=True)
    for cached in list(site.rglob("__pycache__")):
        shutil.rmtree(cached)
    _remove_empty_folders(site)
    shorter = {path for path in sorted(site.rglob("*")) if path.is_file() and drop_symbols(path)}
    for record in site.glob("*.dist-info/RECORD"):
        _rewrite_record(site, record, shorter)


def _name(information: Path) -> str:
    return canonicalize_name(information.name.removesuffix(".dist-info").rpartition("-")[0])


def _remove_empty_folders(site: Path) -> None:
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _rewrite_record(site: Path, record: Path, shorter: Collection[Path]) -> None:
    """Keep the lines of files that are still there, sorted; those that became shorter have another hash and size."""
    rows = csv.reader(io.StringIO(record.read_text(encoding="utf-8")))
    kept = sorted(row for row in rows if row and _is_inside(row[0]) and (site / row[0]).is_file())
    kept = [_recorded(site, row[0]) if site / row[0] in shorter else row for row in kept]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(kept)
    record.write_text(text.getvalue(), encoding="utf-8")


def _recorded(site: Path, path: str) -> list[str]:
    """A line of RECORD: path, hash, size."""
    size, digest = sha256_of(site / path)
    encoded = base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
    return [path, f"sha256={encoded}", str(size)]


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in PurePosixPath(path).parts


def _require_pure(site: Path, name: str, lock: Lock) -> None:
    """What was built here from source fits the image only if it has no compiled parts."""
    for information in site.glob("*.dist-info"):
        if _name(information) == canonicalize_name(name) and not _is_pure((information / "WHEEL").read_text("utf-8")):
            raise RequirementError(
                f"{name} has no wheel, and its source has compiled parts, which must be built for {describe(lock)}.",
                hint=f"Build a wheel of it there (pip wheel {name}) and give its folder with --find-links.",
            )


def _is_pure(wheel: str) -> bool:
    tags = _values(wheel.splitlines(), "Tag")
    return bool(tags) and all(tag.endswith("-none-any") for tag in tags)


def _values(lines: Iterable[str], key: str) -> list[str]:
    return [line.partition(":")[2].strip() for line in lines if line.startswith(f"{key}:")]
