"""The user's feature code, as the builder sees it: parsed, never executed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelbuild.artifact import File, files_in
from modelbuild.errors import ArtifactError, HandlerError
from modelbuild.handlers.declared import declared
from modelbuild.handlers.distributions import is_stdlib, missing
from modelbuild.handlers.local_modules import Closure, follow
from modelbuild.handlers.module_source import Module, read_module
from modelbuild.handlers.record import Record, record_of
from modelbuild.handlers.style import has_entry_point, style_of
from modelbuild.hashing import sha256_of

NOT_SHIPPED = frozenset({"__pycache__", "node_modules", "Thumbs.db"})
TAKEN = frozenset({"modelbuild_runtime", "modelbuild", "numpy", "msgspec", "uvloop", "httptools", "simdjson"})
"""Names of modules that the server uses itself."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler module and all that belongs to it.

    ``style`` is "functions" (preprocess, postprocess, predict, load), "torchserve" (handle or a class), "sagemaker"
    (model_fn and friends) or "definitions" (what a pickle refers to). ``entry_points`` are the functions or the classes
    found. ``record`` is what it declares one row to be, where its source says so.
    ``files`` are the module, its local helper modules and its data files, relative to the module's folder.
    """

    module: str
    style: str
    entry_points: tuple[str, ...]
    files: tuple[File, ...]
    imports: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    python: str = ""
    record: Record | None = None


def read_handler(path: Path, *, data: Sequence[Path] = (), referred: Iterable[tuple[str, str]] = ()) -> Handler:
    """Read a handler: a module with the local modules it imports, or a folder with all that is in it.

    ``data`` are further files and folders that it reads. Those outside of its folder lie beside it in the image.
    ``referred`` are the names that the model's pickle refers to, with their modules: a module that has some of them
    needs no entry point.

    Raises:
        HandlerError: it cannot be found or parsed, or has no entry point that could be called.
    """
    try:
        return _read(_settled(path), tuple(_settled(item) for item in data), frozenset(referred))
    except ArtifactError as error:  # what files_in refuses
        raise HandlerError(error.message, hint=error.hint) from error


def module_of(path: Path, referred: frozenset[tuple[str, str]] = frozenset()) -> Path:
    """The file of a handler: itself, or the module with entry points in a folder.

    Raises:
        HandlerError: it is not there, or there is none, or more than one.
    """
    settled = _settled(path)
    if not settled.exists():
        raise HandlerError(f"There is no handler {path}.", hint="Give a Python file, or a folder with one.")
    return _module_in(settled, referred) if settled.is_dir() else settled


def _settled(path: Path) -> Path:
    """The path from the root; a link to a file keeps its own name, which is the module's."""
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def _read(path: Path, data: tuple[Path, ...], referred: frozenset[tuple[str, str]]) -> Handler:
    module_path = module_of(path, referred)
    _check_file(module_path)
    root = _root(module_path)
    name = _module_name(module_path, root)
    closure = follow(module_path, root)
    module = closure.modules[0]
    style, entry_points = style_of(module, _defined(module, name, referred))
    stated = declared(module_path, module.text)
    sources = dict(_shipped(path, root, closure) if path.is_dir() else _modules(root, closure))
    for item in data:
        for relative, source in _data(item, root):
            if sources.setdefault(relative, source) != source:
                raise HandlerError(
                    f"{item} and {sources[relative]} would both be {relative} in the image.", hint="Rename one of them."
                )
    return Handler(
        module=name,
        style=style,
        entry_points=entry_points,
        files=tuple(_file(relative, source) for relative, source in sorted(sources.items())),
        imports=tuple(sorted({item.partition(".")[0] for item in closure.foreign})),
        requirements=stated.requirements + missing(closure.foreign, stated.names),
        python=stated.python,
        record=record_of(closure.modules) if style == "functions" else None,
    )


# Which module.


def _module_in(folder: Path, referred: frozenset[tuple[str, str]]) -> Path:
    """The module of a folder that has entry points: handler.py, the package itself, or the only one. Where none has
    any, the one with what a pickle refers to.
    """
    for name in ("handler.py", "__init__.py"):
        candidate = folder / name
        if candidate.is_file() and has_entry_point(read_module(candidate)):
            return candidate
    modules = sorted(item for item in folder.glob("*.py") if item.is_file())
    found = [item for item in modules if has_entry_point(read_module(item))]
    found = found or [item for item in modules if _defined(read_module(item), item.stem, referred)]
    if len(found) == 1:
        return found[0]
    if not found:
        listed = ", ".join(item.name for item in modules[:6]) or "no Python file"
        raise HandlerError(
            f"No module in the folder {folder} has an entry point; there is {listed}.",
            hint="Define preprocess, postprocess or predict in a handler.py there.",
        )
    listed = ", ".join(item.name for item in found)
    raise HandlerError(
        f"{len(found)} modules in the folder {folder} have entry points: {listed}.",
        hint="Call one of them handler.py, or give its path: what it imports comes along.",
    )


def _defined(module: Module, name: str, referred: frozenset[tuple[str, str]]) -> tuple[str, ...]:
    """What the module, which is imported by this name, has of what a pickle refers to: as its own, or as that of the
    script that trained the model.
    """
    owners = {"__main__", name}
    wanted = {what.partition(".")[0] for owner, what in referred if owner in owners}
    return tuple(sorted(wanted & module.names))


def _check_file(path: Path) -> None:
    if path.suffix == ".ipynb":
        raise HandlerError(f"{path} is a notebook.", hint="Put its functions into a Python file.")
    if path.suffix != ".py":
        raise HandlerError(f"{path} is no Python file.", hint="Give a .py file, or a folder with one.")
    name = path.stem
    if not name.isidentifier():
        raise HandlerError(
            f"{path.name} cannot be imported: {name!r} is no Python name.",
            hint=f"Call it {''.join(char if char.isalnum() else '_' for char in name)}.py.",
        )
    if name in TAKEN or is_stdlib(name):
        raise HandlerError(
            f"A handler cannot be called {path.name}: {name} is a module of Python or of the server.", hint="Rename it."
        )


def _root(module: Path) -> Path:
    """The folder to import from. Inside a package it is the package's parent, if the module imports relatively."""
    folder = module.parent
    if module.name != "__init__.py" and not any(item.level for item in read_module(module).imports):
        return folder
    if not (folder / "__init__.py").is_file():
        raise HandlerError(
            f"{module} imports relatively, but {folder} is no package.",
            hint="Import by the modules' own names, or put an __init__.py into the folder.",
        )
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _module_name(module: Path, root: Path) -> str:
    parts = module.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# Which files.


def _modules(root: Path, closure: Closure) -> Iterator[tuple[str, Path]]:
    return ((module.path.relative_to(root).as_posix(), module.path) for module in closure.modules)


def _shipped(folder: Path, root: Path, closure: Closure) -> Iterator[tuple[str, Path]]:
    """All of a folder but what is hidden or made by tools; and what its module imports from around it."""
    yield from _modules(root, closure)
    base = folder.relative_to(root)
    yield from (((base / relative).as_posix(), source) for relative, source in files_in(folder, _is_left_out))


def _is_left_out(path: Path) -> bool:
    """Hidden files may hold secrets; caches and virtual environments are no part of anybody's handler."""
    name = path.name
    hidden = name.startswith(".") or name in NOT_SHIPPED or name.endswith((".pyc", ".egg-info"))
    return hidden or (path / "pyvenv.cfg").is_file()


def _data(item: Path, root: Path) -> Iterable[tuple[str, Path]]:
    if not item.exists():
        raise HandlerError(f"There is no data file {item}.", hint="Check the path given with --data.")
    base = item.relative_to(root) if item.is_relative_to(root) and item != root else Path(item.name)
    if item.is_dir():
        return [((base / relative).as_posix(), source) for relative, source in files_in(item, _is_left_out)]
    return [(base.as_posix(), item.resolve())]


def _file(relative: str, source: Path) -> File:
    try:
        size, digest = sha256_of(source)
    except OSError as error:
        raise HandlerError(f"{source} cannot be read: {error.strerror or error}.") from error
    return File(relative, size, digest, source)
