"""An interpreter from a prefix of the host, with the libraries that Debian's packages do not bring."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from modelbuild.base.contents import wanted_stdlib
from modelbuild.base.elf import read_elf
from modelbuild.base.rootfs import Entry, Root, file
from modelbuild.errors import BaseImageError

# Where a Linux keeps shared libraries: merged or not, multiarch or not.
LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")


def copy_prefix(prefix: Path, python: str) -> dict[str, Entry]:
    """The interpreter and its standard library, below /usr/local."""
    binary, stdlib = prefix / "bin" / f"python{python}", prefix / "lib" / f"python{python}"
    if not binary.is_file() or not (stdlib / "os.py").is_file():
        message = f"{prefix} holds no Python {python}: there is no bin/python{python} with a lib/python{python}."
        raise BaseImageError(message)
    return {f"usr/local/bin/python{python}": _read(binary), **dict(_stdlib(stdlib, python))}


def _stdlib(stdlib: Path, python: str) -> Iterator[tuple[str, Entry]]:
    for folder, names, files in os.walk(stdlib):
        relative = Path(folder).relative_to(stdlib)
        names[:] = sorted(name for name in names if wanted_stdlib(name))
        for name in sorted(files):
            if wanted_stdlib(name):
                yield f"usr/local/lib/python{python}/{(relative / name).as_posix()}", _read(Path(folder) / name)


def _read(path: Path) -> Entry:
    mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
    return file(path.read_bytes(), mode)


def missing_libraries(root: Root, prefix: Path, available: frozenset[str]) -> dict[str, Entry]:
    """Libraries that the interpreter needs and Debian does not give, from the prefix or else from the host.

    They go to /usr/lib, where the loader looks without being told.
    """
    found: dict[str, Entry] = {}
    waiting = [entry for path, entry in root.items() if path.startswith("usr/local/")]
    while waiting:
        elf = read_elf(waiting.pop().content)
        for name in elf.needed if elf else ():
            if name not in available and name not in found:
                library = _read(_find(name, prefix))
                found[name] = library
                waiting.append(library)
    return {f"usr/lib/{name}": library for name, library in sorted(found.items())}


def _find(name: str, prefix: Path) -> Path:
    places = [prefix / "lib", *(Path(place) for place in LIBRARY_FOLDERS)]
    for place in places:
        for path in (place / name, *sorted(place.glob(f"*-linux-gnu/{name}"))):
            if path.is_file():
                return path
    hint = "Install it, or take an interpreter whose libraries are all here (ldd shows them)."
    raise BaseImageError(f"The interpreter in {prefix} needs {name}, which this machine has not.", hint=hint)
