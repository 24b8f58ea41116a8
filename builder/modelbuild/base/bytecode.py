"""Bytecode for the standard library, compiled by the very interpreter that will read it."""

from __future__ import annotations

import importlib.resources
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelbuild.base.rootfs import Entry, file
from modelbuild.errors import BaseImageError


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How to run the base's interpreter here: a command, and its variables."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def run(self, arguments: Sequence[str], text: str = "") -> str:
        """Run it without the host's settings; its output.

        Raises:
            BaseImageError: it does not run here.
        """
        # A fixed hash seed: the order of a frozen set in a constant would differ from run to run.
        environment = {**self.environment, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
        command = [*self.command, "-S", *arguments]
        try:
            done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
        except OSError as error:
            raise BaseImageError(f"The interpreter {self.command[0]} does not run here: {error.strerror}.") from error
        if done.returncode:
            message = f"The interpreter {self.command[-1]} does not run here."
            raise BaseImageError(message, details="\n".join(done.stderr.splitlines()[-10:]))
        return done.stdout

    def version(self) -> str:
        """Its full version, such as 3.11.2."""
        return self.run(["-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"]).strip()


def debian_interpreter(folder: Path, python: str) -> Interpreter:
    """Debian's Python from the folder of unpacked packages, by its own loader and libraries: no chroot, no root."""
    loader = next((path for path in sorted(folder.glob("lib*/ld-linux-*.so.*"))), None)
    if loader is None:
        raise BaseImageError(f"The packages of Python {python} hold no dynamic loader.")
    libraries = sorted({str(path.parent) for path in folder.glob("**/*-linux-gnu*/lib*.so.*")})
    command = (str(loader), "--library-path", ":".join(libraries), str(folder / "usr/bin" / f"python{python}"))
    return Interpreter(command, {"PYTHONHOME": str(folder / "usr")})


def prefix_interpreter(prefix: Path, python: str) -> Interpreter:
    """The host's own interpreter."""
    return Interpreter((str(prefix / "bin" / f"python{python}"),), {"LD_LIBRARY_PATH": str(prefix / "lib")})


def compile_modules(interpreter: Interpreter, modules: Mapping[str, bytes], folder: Path) -> dict[str, Entry]:
    """Bytecode of Python files, by their paths in the image. ``folder`` is for scratch.

    Unchecked: all times in the base are zero, by which a checked one would never be believed.
    """
    jobs = []
    for number, (path, source) in enumerate(sorted(modules.items())):
        (folder / f"{number}.py").write_bytes(source)
        jobs.append(f"{number}\t/{path}")
    script = importlib.resources.files("modelbuild.base").joinpath("compile.py").read_text(encoding="utf-8")
    names = interpreter.run(["-c", script, str(folder)], "\n".join(jobs)).splitlines()
    return {name.lstrip("/"): file((folder / f"{number}.pyc").read_bytes()) for number, name in _pairs(names)}


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    return [(number, name) for number, _, name in (line.partition("\t") for line in lines)]
