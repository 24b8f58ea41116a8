"""Loading the file, whichever of its formats it has, with errors that say what is missing."""

from __future__ import annotations

import logging
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, Sequence, Tuple

from modelbuild_runtime.errors import LoadError

logger = logging.getLogger(__name__)

_LACKING = (
    re.compile(r"Can't get attribute '(?P<name>[^']+)' on <module '(?P<module>[^']+)'"),
    re.compile(r"module '(?P<module>[^']+)' has no attribute '(?P<name>[^']+)'"),
)


def read(path: Path, trusted: Sequence[str]) -> Any:
    """The object in a joblib, pickle or skops file. ``trusted`` are the types that a skops file may hold.

    Raises:
        LoadError: a class or module that it needs is not there, or it is damaged.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _skops(path, trusted) if zipfile.is_zipfile(path) else _pickle(path)
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        logger.warning("loading %s: %s", path.name, message)
    return model


def _pickle(path: Path) -> Any:
    """Joblib reads plain pickles too, and those inside zlib, gzip, bz2, xz and lz4."""
    import joblib

    try:
        return joblib.load(path)
    except ModuleNotFoundError as error:
        raise LoadError(
            f"{path.name} needs the module {error.name!r}, which is not installed",
            "Name its distribution among the handler's requirements; a module of your own goes beside the handler.",
        ) from error
    except AttributeError as error:
        raise LoadError(_lacking(path, error), _hint(error)) from error
    except Exception as error:
        raise LoadError(f"{path.name} cannot be loaded: {type(error).__name__}: {error}") from error


def _skops(path: Path, trusted: Sequence[str]) -> Any:
    import skops.io

    try:
        return skops.io.load(path, trusted=list(trusted))
    except Exception as error:
        raise LoadError(f"{path.name} cannot be loaded: {type(error).__name__}: {error}") from error


def _lacking(path: Path, error: AttributeError) -> str:
    name, module = _named(error)
    if not name:
        return f"{path.name} cannot be loaded: {error}"
    where = "the script that trained it" if module == "__main__" else f"the module {module}"
    return f"{path.name} needs {name}, which was defined in {where}"


def _hint(error: AttributeError) -> str:
    name, module = _named(error)
    if not name:
        return "The file was most likely written by another version of scikit-learn."
    if module == "__main__":
        return f"Define or import {name} in the handler module."
    return "The file was written by another version of that module: pin the one that it was trained with."


def _named(error: AttributeError) -> Tuple[str, str]:
    """What is lacking, and the module that should have it."""
    for pattern in _LACKING:
        found = pattern.search(str(error))
        if found is not None:
            module = found.group("module")  # that of a server which runs as a module is named in full
            return found.group("name"), "__main__" if module.endswith(".__main__") else module
    return "", ""
