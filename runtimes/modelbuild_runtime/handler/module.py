"""Importing the handler's module, with its folder on the path so that it finds its neighbours."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Set

from modelbuild_runtime.errors import LoadError

_folders: Set[str] = set()
"""Of the handlers that were imported: one, but where models are loaded while the server runs."""


def import_handler(name: str, folder: Path) -> ModuleType:
    """Import the module ``name`` from ``folder``.

    The folder goes first on the path, as for a script that is run from there.

    Raises:
        LoadError: it is not there, has another module's name, or raises while it is imported.
    """
    if not folder.is_dir():
        raise LoadError(f"the handler's folder {folder} is not there")
    _forget_others(folder)
    taken = sys.modules.get(name)
    if taken is not None and Path(getattr(taken, "__file__", None) or "").parent != folder:
        raise LoadError(f"a handler cannot be called {name}: the server uses a module of that name", "Rename it.")
    if str(folder) in _folders:
        sys.path.remove(str(folder))
    _folders.add(str(folder))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return _from_folder(name, folder)
    except LoadError:
        raise
    except ModuleNotFoundError as error:
        raise LoadError(
            f"the handler imports {error.name!r}, which is not installed ({line_in(folder, error)})",
            "Name its distribution in the handler's PEP 723 block or in a requirements.txt beside it.",
        ) from error
    except (Exception, SystemExit) as error:
        raise LoadError(
            f"the handler {name} cannot be imported: {type(error).__name__}: {error} ({line_in(folder, error)})",
            cure(error),
        ) from error


def _forget_others(folder: Path) -> None:
    """Modules of other models' handlers: each finds its own neighbours, also where they have the same names."""
    others = tuple(f"{other}/" for other in _folders if other != str(folder))
    if others:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(others):
                del sys.modules[name]


def lend_to_main(module: ModuleType) -> None:
    """Let pickles that were written by a script find the script's classes and functions, where the handler has them."""
    main = sys.modules["__main__"]
    for name, value in vars(module).items():
        if not name.startswith("_") and not hasattr(main, name):
            setattr(main, name, value)


def _from_folder(name: str, folder: Path) -> ModuleType:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    package = name.rpartition(".")[0]
    if package:
        _from_folder(package, folder)
        return importlib.import_module(name)
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is None or spec.loader is None:
        raise LoadError(f"there is no handler module {name!r} in {folder}")
    module = module_from_spec(spec)
    # Before it runs: dataclasses and pickles look their module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def cure(error: BaseException) -> str:
    """What helps a handler that lacks here what it has where it was written; empty where that is not known."""
    if isinstance(error, FileNotFoundError):
        return (
            "Files that the handler reads come along with --data, and lie beside it: "
            "open them as Path(__file__).with_name('table.csv')."
        )
    if isinstance(error, ImportError):
        return "What is imported only while the handler runs does not show in its imports: add it with --requirement."
    return ""


def line_in(folder: Path, error: BaseException) -> str:
    """Where in the handler's own files it happened; the folder's name where it happened elsewhere."""
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '').name}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(folder):
            return f"{Path(frame.filename).relative_to(folder)}, line {frame.lineno}"
    return folder.name
