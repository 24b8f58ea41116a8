"""The lock: every distribution that the image installs, with its version and hashes, for one Python and platform."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelbuild.dependencies.index import Index, identity, redact
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.dependencies.places import placed
from modelbuild.dependencies.resolver import PLACED, failure, run_uv, without_wheels
from modelbuild.errors import RequirementError

FRESH_SECONDS = 24 * 60 * 60
# To say which Pythons a package has wheels for.
OTHER_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_ARCHITECTURES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64", "linux/arm64/v8": "aarch64"}
# The platforms that uv knows, as minor versions of glibc 2.
_MANYLINUX = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
_USUAL_GLIBC = 28
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Lock:
    """``text`` is requirements.lock as pip and uv read it. ``from_source`` are names that have no wheel anywhere."""

    text: str
    python: str
    platform: str
    wheels: str
    from_source: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """Names and versions, without hashes."""
        return tuple(
            line.split("\\")[0].strip()
            for line in self.text.splitlines()
            if line and not line.startswith((" ", "#", "-"))
        )

    @property
    def digest(self) -> str:
        """Equal for equal locks."""
        return "sha256:" + hashlib.sha256(_canonical(self).encode()).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        return tuple(
            f"{name} has no wheel: it is built from its source, which runs its build script on this machine."
            for name in self.from_source
        )


def wheel_platform(platform: str, libc: str = "") -> str:
    """The name that uv has for the wheels that an image of this platform and C library can use.

    Raises:
        RequirementError: there are no wheels for such a platform, or it has too old a C library.
    """
    architecture = _ARCHITECTURES.get(platform)
    if architecture is None:
        known = ", ".join(sorted({"linux/amd64", "linux/arm64"}))
        raise RequirementError(f"Images for platform {platform!r} cannot be made.", hint=f"Known are: {known}.")
    if libc.startswith("musl"):
        return f"{architecture}-unknown-linux-musl"
    found = re.fullmatch(r"glibc 2\.(\d+)(\..*)?", libc)
    minor = int(found[1]) if found else _USUAL_GLIBC
    fitting = [number for number in _MANYLINUX if number <= minor]
    if not fitting:
        raise RequirementError(f"The base image's {libc} is too old for any wheel.", hint="Choose a newer --base.")
    return f"{architecture}-manylinux_2_{fitting[-1]}"


def lock(
    requirements: Sequence[str],
    *,
    python: str,
    platform: str,
    index: Index,
    cache: Path,
    refresh: bool = False,
    libc: str = "",
    requires: Mapping[str, Sequence[str]] | None = None,
) -> Lock:
    """Resolve the requirements for a Python and a platform. An equal question within a day gets the same answer.
    ``requires`` replaces what the metadata of some distributions, by name, asks for.

    Raises:
        RequirementError: they cannot be resolved.
    """
    wheels = wheel_platform(platform, libc)
    less = dict(sorted((requires or {}).items()))
    path = cache / "locks" / f"{_key(requirements, python, wheels, index, less)}.json"
    remembered = None if refresh else _read(path, time.time())
    if remembered:
        return remembered
    resolved = resolve(requirements, Lock("", python, platform, wheels), index, less)
    _write(path, resolved)
    return resolved


def resolve(
    requirements: Sequence[str], target: Lock, index: Index, requires: Mapping[str, Sequence[str]] | None = None
) -> Lock:
    """Ask uv. What has no wheel at all is allowed from source, one package after another. What turns out to be
    needed, and has a place of its own, is asked for there.
    """
    from_source: tuple[str, ...] = ()
    names = placed(requirements, index.places)
    while True:
        allowed = [part for name in from_source for part in ("--no-binary", name)]
        arguments = [*_compile_arguments(target), *allowed, "-", *([PLACED] if names else [])]
        text, settings = "\n".join(requirements) + "\n", _metadata(requires or {})
        outcome = run_uv(arguments, index, text=text, settings=settings, placed=names)
        if outcome.status == 0:
            resolved = Lock(plain(outcome.output), target.python, target.platform, target.wheels, from_source)
            if (found := placed(resolved.requirements, index.places)) <= names:
                return resolved
            names |= found
            continue
        needed = [name for name in without_wheels(outcome.errors) if name not in from_source]
        if not needed:
            raise failure(outcome.errors, describe(target))
        for name in needed:
            _require_no_wheel_anywhere(name, outcome.errors, target, index)
        from_source = (*from_source, *needed)


def _metadata(requires: Mapping[str, Sequence[str]]) -> str:
    """Uv's setting for what distributions require, in place of what they say. Names and requirements were checked."""
    return "".join(
        f"[[dependency-metadata]]\nname = {json.dumps(name)}\nrequires-dist = {json.dumps(list(needs))}\n"
        for name, needs in requires.items()
    )


def plain(text: str) -> str:
    """Requirements and hashes only: a user's configuration can make uv write index URLs, with their credentials."""
    lines = [line.rstrip() for line in redact(text).splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.lstrip().startswith("#") and line[0] != "-")


def describe(target: Lock) -> str:
    """What an error says the requirements are for."""
    return f"Python {target.python} on {target.platform}"


def _compile_arguments(target: Lock) -> list[str]:
    return [
        *("pip", "compile", "--generate-hashes", "--only-binary", ":all:"),
        *("--no-header", "--no-annotate"),
        *target_arguments(target),
    ]


def target_arguments(target: Lock) -> list[str]:
    """What uv must know of the image. Its own interpreter, which builds what has no wheel, is one of this machine."""
    interpreter = find_interpreter(target.python) or sys.executable
    return [
        *("--no-python-downloads", "--python", str(interpreter)),
        *("--python-version", target.python, "--python-platform", target.wheels),
    ]


def _require_no_wheel_anywhere(name: str, errors: str, target: Lock, index: Index) -> None:
    """A package with wheels for other Pythons has compiled parts: building those here would not fit the image."""
    found = re.search(rf"\b({re.escape(name)}==[^\s,]+) has no usable wheels", errors)
    requirement = found[1] if found else name
    pythons = [python for python in OTHER_PYTHONS if _has_wheel(requirement, python, target.wheels, index)]
    if pythons:
        raise RequirementError(
            f"{requirement} has no wheel for {describe(target)}; it has for Python {', '.join(pythons)}.",
            hint=f"Choose --python {pythons[-1]}, or another version with --requirement '{name}==...'.",
            details=errors,
        )


def _has_wheel(requirement: str, python: str, wheels: str, index: Index) -> bool:
    target = ("--no-python-downloads", "--python", sys.executable, "--python-version", python)
    arguments = ["pip", "compile", "--no-deps", "--only-binary", ":all:", *target, "--python-platform", wheels, "-"]
    return run_uv(arguments, index, text=requirement).status == 0


def _key(
    requirements: Sequence[str], python: str, wheels: str, index: Index, requires: Mapping[str, Sequence[str]]
) -> str:
    question = [_FORMAT, sorted(requirements), python, wheels, identity(index, os.environ), requires]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()


def _canonical(value: Lock) -> str:
    return json.dumps([value.text, value.python, value.platform, value.wheels, value.from_source])


def _read(path: Path, now: float) -> Lock | None:
    try:
        if now - path.stat().st_mtime > FRESH_SECONDS:
            return None
        text, python, platform, wheels, from_source = json.loads(path.read_text(encoding="utf-8"))
        return Lock(text, python, platform, wheels, tuple(from_source))
    except (OSError, ValueError):
        return None


def _write(path: Path, value: Lock) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(_canonical(value), encoding="utf-8")
    temporary.replace(path)
