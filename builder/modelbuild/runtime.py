"""A runtime: one folder that supports one framework. Its ``runtime.toml`` is pure data, read here; its ``reader.py``
says what an artifact is without executing any of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact
from modelbuild.declaration import Runtime, parse_declaration
from modelbuild.errors import UsageError
from modelbuild.signature import Signature

SERVER_PACKAGE = "modelbuild_runtime"


@dataclass(frozen=True, slots=True)
class Finding:
    """What loading the artifact could execute, or needs. Severity is "danger", "review" or "info"."""

    severity: str
    what: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an artifact says of itself.

    ``version`` is that of the framework which wrote it, empty where it does not say. ``companions`` are files beside
    it that belong to it. ``folder`` is where in the artifact the model is, empty where it is all of it; ``name`` and
    ``model_version`` are what the folders around it say of the model itself. ``handler`` is the file in the artifact
    that is its handler, where the user gives no other; ``needs`` is the function that a handler must have for it, empty
    where it comes with its code. ``python`` is a specifier of the Pythons that can load it, empty for all. ``prepare``
    is why it must be converted before it can be served, empty where it need not. ``unused`` are files of the artifact's
    folder that the engine does not read, such as the same weights for other frameworks: they stay out of the image.
    ``system_packages`` are Debian's that it needs beside those of its runtime. ``options`` go to the server's engine,
    ``metadata`` is for people. ``inside`` is what another runtime makes of the model in it.
    """

    format: str
    signature: Signature = field(default_factory=Signature)
    version: str = ""
    requirements: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    folder: str = ""
    name: str = ""
    model_version: str = ""
    handler: str = ""
    python: str = ""
    findings: tuple[Finding, ...] = ()
    prepare: str = ""
    needs: str = ""
    unused: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    inside: Inside | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """A model in an envelope, and the runtime that takes it: ``reading`` is the whole as that runtime serves it, with
    the envelope's engine around its own.
    """

    runtime: str
    reading: Reading


def load_runtime(folder: Path) -> Runtime:
    """Read the runtime in a folder, ours or a third party's.

    Raises:
        UsageError: there is no runtime.toml, or a key or value in it is wrong.
    """
    path = folder / "runtime.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{folder} is no runtime: it has no runtime.toml.", hint="See mbuild runtimes.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return parse_declaration(table, folder, str(path))


def builtin_runtimes() -> tuple[Runtime, ...]:
    """The runtimes that come with mbuild, by name. The server's package is found, never imported."""
    spec = importlib.util.find_spec(SERVER_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"The package {SERVER_PACKAGE} is not installed.", hint="Install modelbuild again.")
    engines = Path(next(iter(spec.submodule_search_locations))) / "engines"
    return tuple(load_runtime(path.parent) for path in sorted(engines.glob("*/runtime.toml")))


def around(envelope: Runtime, inside: Runtime) -> Runtime:
    """The runtime of a model in an envelope: all that the model's own needs, with the envelope's engine around it."""
    return dataclasses.replace(
        inside, name=envelope.name, folder=envelope.folder, carries=((inside.name, inside.folder),)
    )


def read(runtime: Runtime, artifact: Artifact, chosen: Mapping[str, Any] = MappingProxyType({})) -> Reading:
    """What the runtime's reader finds in the artifact. ``chosen`` are options that the user has set; a reader whose
    answer depends on one takes them as its second argument.

    Raises:
        ArtifactError: it is truncated or corrupt.
        UnsupportedModelError: this model cannot be served.
        UsageError: the runtime has no usable reader.
    """
    path = runtime.folder / "reader.py"
    if not path.is_file():
        return Reading(runtime.title)
    function = _function(path, "read")
    takes_choices = len(inspect.signature(function).parameters) > 1
    reading = function(artifact, chosen) if takes_choices else function(artifact)
    if not isinstance(reading, Reading):
        raise UsageError(f"{path}: read() returned a {type(reading).__name__}, not a Reading.")
    return reading


def chosen_options(runtime: Runtime, given: Mapping[str, str]) -> dict[str, Any]:
    """The options of a runtime that the user has set, as values.

    Raises:
        UsageError: the runtime has no such option, or the value is none for it.
    """
    result: dict[str, Any] = {}
    for name, value in given.items():
        if name not in runtime.options:
            known = "; ".join(f"{key}: {setting.help}" for key, setting in runtime.options.items())
            raise UsageError(
                f"The runtime {runtime.name!r} has no option {name!r}.",
                hint=f"It has these: {known}" if known else "It has none.",
            )
        setting = runtime.options[name]
        if setting.kind == "int" and not re.fullmatch(r"[0-9]{1,6}", value):
            raise UsageError(f"--runtime-option {name} cannot be {value!r}.", hint=f"A whole number. {setting.help}")
        result[name] = int(value) if setting.kind == "int" else value
    return result


def supported_python(runtime: Runtime, version: str) -> str:
    """The Pythons, as a specifier, that a version of the framework has wheels for; empty: those of the runtime."""
    try:
        # A pre-release counts as what it became: by themselves they fall between all specifiers.
        wanted = Version(Version(version).base_version)
    except InvalidVersion:
        return runtime.python
    for row in runtime.python_for:
        if SpecifierSet(row.version).contains(wanted):
            return str(SpecifierSet(runtime.python) & SpecifierSet(row.python))
    return runtime.python


def _function(path: Path, name: str) -> Callable[..., Any]:
    """A function of a module that is loaded by its path, under a name of its own."""
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    spec = importlib.util.spec_from_file_location(f"_mbuild_{path.stem}_{key}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their own module up.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError) as error:
        raise UsageError(f"{path} cannot be loaded: {error}", hint="A reader may import modelbuild only.") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"{path} has no function {name}(artifact).")
    return function  # type: ignore[no-any-return]  # what a module holds has no type
