"""Which files an import of a handler means, as far as they lie beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelbuild.errors import HandlerError
from modelbuild.handlers.distributions import is_stdlib
from modelbuild.handlers.module_source import Import, Module, read_module

MAX_MODULES = 2000


@dataclass(frozen=True, slots=True)
class Closure:
    """All that a module needs of its own folder, and what it needs from elsewhere: module names as imported."""

    modules: tuple[Module, ...]
    foreign: tuple[str, ...]


def follow(start: Path, root: Path) -> Closure:
    """The module at ``start`` and every local module that it imports, at any remove. ``root`` is its import root.

    Raises:
        HandlerError: one of them cannot be parsed, or a relative import leads nowhere.
    """
    pending = [start, *_packages(start, root)]
    seen: dict[Path, Module] = {}
    foreign: dict[str, None] = {}
    while pending:
        path = pending.pop(0)
        if path in seen:
            continue
        if len(seen) >= MAX_MODULES:
            raise HandlerError(f"{start} imports more than {MAX_MODULES} local modules.")
        module = seen[path] = read_module(path)
        for item in module.imports:
            local = list(_local(item, path, root))
            pending += local
            if not local and item.needed and not item.level and not is_stdlib(item.module):
                foreign.update(dict.fromkeys(_foreign_names(item)))
    return Closure(tuple(seen.values()), tuple(sorted(foreign)))


def _foreign_names(item: Import) -> Iterator[str]:
    """``from google.cloud import storage`` names google.cloud.storage, as far as can be told."""
    yield from (f"{item.module}.{name}" for name in item.names if name != "*")
    if not item.names or "*" in item.names:
        yield item.module


def _local(item: Import, path: Path, root: Path) -> Iterator[Path]:
    """The files that an import runs; none if it is not of this folder."""
    if item.level:
        package = _ancestor(path.parent, item.level - 1)
        if not package.is_relative_to(root):
            raise HandlerError(
                f"{path}, line {item.line}: a relative import leaves {root}.",
                hint="Import by the module's own name, or give the package's folder as the handler.",
            )
        base, parts = package, item.module.split(".") if item.module else []
    elif is_stdlib(item.module):
        return
    else:
        base, parts = root, item.module.split(".")
    found = list(_chain(base, parts))
    place = base.joinpath(*parts)
    if parts and not found and not place.is_dir():
        if item.level:
            dots = "." * item.level
            raise HandlerError(f"{path}, line {item.line}: there is no module {dots}{item.module} here.")
        return
    yield from found
    for name in item.names:
        yield from _chain(place, [name])


def _chain(base: Path, parts: list[str]) -> Iterator[Path]:
    """The files of base/a/b/c: each package's __init__.py, and the module at the end."""
    place = base
    for part in parts:
        place = place / part
        for candidate in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if candidate.is_file():
                yield candidate
                break


def _ancestor(folder: Path, levels: int) -> Path:
    for _ in range(levels):
        folder = folder.parent
    return folder


def _packages(start: Path, root: Path) -> Iterator[Path]:
    """The __init__.py files that run before a module inside packages does."""
    folder = start.parent
    while folder != root and folder.is_relative_to(root):
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"
        folder = folder.parent
