"""What a base is made of, as asked for (BaseOptions) and as settled (Recipe)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modelbuild.errors import BaseImageError

# Raise it when the same recipe gives other files than before, so that cached bases are not taken for new ones.
RECIPE_VERSION = 1
MIRROR = "http://deb.debian.org/debian"

# Each Debian release carries one Python.
SUITES = {"bookworm": "3.11", "trixie": "3.13"}


@dataclass(frozen=True, slots=True)
class BaseOptions:
    """``mbuild base``: every field is a flag.

    python: Python of the base. Default: the suite's.
    suite: Debian release. Default: the one that carries this Python.
    mirror: Debian mirror instead of deb.debian.org.
    prefix: take the interpreter from this folder of the host instead of Debian's.
    with_pip: put in pip and a shell, for Dockerfiles that install requirements themselves.
    ca_file: trust these certificates too. They stay in the base.
    tag: name of the image. Default: python:X.Y-slim, and python:X.Y with pip.
    output: write the image to this file.
    refresh: build anew although this week's is in the cache.
    week: "2026-W47"; what the cache calls this week.
    """

    python: str = ""
    suite: str = ""
    mirror: str = ""
    prefix: Path | None = None
    with_pip: bool = False
    ca_file: Path | None = None
    tag: str = ""
    output: Path | None = None
    refresh: bool = False
    week: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Options without defaults: what determines the base, but for the versions of Debian's packages."""

    python: str
    suite: str
    mirror: str
    prefix: Path | None
    with_pip: bool
    certificates: bytes
    tag: str

    @property
    def debian_python(self) -> str:
        """The Python whose packages and libraries Debian gives."""
        return SUITES[self.suite]

    def key(self, week: str) -> str:
        """The name of this base in the cache."""
        facts = [RECIPE_VERSION, self.python, self.suite, self.mirror, str(self.prefix or ""), self.with_pip, self.tag]
        digest = hashlib.sha256(json.dumps(facts).encode() + self.certificates).hexdigest()[:12]
        return f"python-{self.python}-{self.suite}-{week or 'undated'}-{digest}"


def settle(options: BaseOptions, find_interpreter: Callable[[str], Path | None]) -> Recipe:
    """Fill in what was not said. ``find_interpreter`` knows those of this host: a hint may name one.

    Raises:
        BaseImageError: no suite carries this Python, or there is no such suite.
    """
    python = options.python or (prefix_python(options.prefix) if options.prefix else "")
    if python and not re.fullmatch(r"3\.\d+", python):
        raise BaseImageError(f"{python!r} is no version of Python.", hint="Write it as 3.11.")
    suite = options.suite or _suite_for(python, options.prefix)
    if suite not in SUITES:
        raise BaseImageError(f"The Debian release {suite!r} is unknown here.", hint=f"Known are: {_known()}.")
    python = python or SUITES[suite]
    if options.prefix is None and SUITES[suite] != python:
        raise BaseImageError(f"{_carrier(suite, python)}.", hint=_prefix_hint(python, find_interpreter))
    certificates = _read_certificates(options.ca_file) if options.ca_file else b""
    # As at Docker's hub, where the slim image is for running and the other has all that building needs.
    tag = options.tag or f"python:{python}{'' if options.with_pip else '-slim'}"
    mirror = (options.mirror or MIRROR).rstrip("/")
    return Recipe(python, suite, mirror, options.prefix, options.with_pip, certificates, tag)


def prefix_python(prefix: Path) -> str:
    """The Python that lies in a prefix, such as 3.9 for one with ``bin/python3.9``.

    Raises:
        BaseImageError: there is none, or several, or it is a virtual environment.
    """
    if (prefix / "pyvenv.cfg").is_file():
        hint = "Give the folder of the interpreter that it was made from: sys.base_prefix."
        raise BaseImageError(f"{prefix} is a virtual environment, which holds no interpreter.", hint=hint)
    found = [path.name.removeprefix("python") for path in prefix.glob("bin/python3.*") if _is_interpreter(path)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BaseImageError(f"{prefix} holds Python {' and '.join(sorted(found))}.", hint="Say which: --python X.Y")
    hint = "Give a prefix, as python3 -c 'import sys; print(sys.base_prefix)' prints it."
    raise BaseImageError(f"{prefix} holds no Python: there is no bin/python3.X with a lib/python3.X in it.", hint=hint)


def _is_interpreter(path: Path) -> bool:
    library = path.parent.parent / "lib" / path.name / "os.py"
    return bool(re.fullmatch(r"python3\.\d+", path.name)) and path.is_file() and library.is_file()


def _suite_for(python: str, prefix: Path | None) -> str:
    """The suite that carries this Python; for a prefix, and for one that none carries, the oldest known."""
    return next((suite for suite, carried in SUITES.items() if carried == python and not prefix), next(iter(SUITES)))


def _carrier(suite: str, python: str) -> str:
    if python in SUITES.values():
        return f"Debian {suite} carries Python {SUITES[suite]}, not {python}"
    return f"No Debian release known here carries Python {python}: {_known()}"


def _known() -> str:
    return ", ".join(f"{suite} (Python {python})" for suite, python in SUITES.items())


def _prefix_hint(python: str, find_interpreter: Callable[[str], Path | None]) -> str:
    suites = [suite for suite, carried in SUITES.items() if carried == python]
    if suites:
        return f"--suite {suites[0]} carries it."
    binary = find_interpreter(python)
    if binary is None:
        return f"Take it from an interpreter of this machine: mbuild base --python {python} --prefix DIR"
    return f"This machine has one: mbuild base --python {python} --prefix {binary.resolve().parent.parent}"


def _read_certificates(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BaseImageError(f"The certificates {path} cannot be read: {error.strerror}.") from error
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise BaseImageError(f"{path} holds no certificate.", hint="It must be a PEM file.")
    return data
