"""A runtime: one folder that supports one framework. Its ``runtime.toml`` is pure data, read here; its ``reader.py``
says what an artifact is without executing any of it.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact
from modelbuild.errors import UsageError
from modelbuild.formats.rules import Rule, parse_rules
from modelbuild.pickles.policy import PicklePolicy, parse_policy
from modelbuild.signature import Signature

SERVER_PACKAGE = "modelbuild_runtime"
PINS = ("==", ">=", "")


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
    that is its handler, where the user gives no other. ``python`` is a specifier of the Pythons that can load it, empty
    for all. ``prepare`` is why it must be converted before it can be served, empty where it need not. ``unused`` are
    files of the artifact's folder that the engine does not read, such as the same weights for other frameworks: they
    stay out of the image. ``options`` go to the server's engine, ``metadata`` is for people. ``inside`` is what another
    runtime makes of the model in it.
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
    unused: tuple[str, ...] = ()
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


@dataclass(frozen=True, slots=True)
class PythonFor:
    """Versions of the framework, and the Pythons that have wheels for them."""

    version: str
    python: str


@dataclass(frozen=True, slots=True)
class Quicker:
    """The runtime that runs what ``optimise.py`` makes of a model, and what making it requires."""

    runtime: str = ""
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A choice that the artifact leaves to the user. ``kind`` is "int" or "text"."""

    kind: str
    help: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """Support for one framework, as its ``runtime.toml`` declares it. ``requires`` is what the engine needs of the
    requirements of a distribution, by its name, where that is less than its metadata says; ``index`` is the package
    index that alone has the right wheels of a distribution, by its name. ``handler_predicts`` where nothing but a
    handler can run the model. ``options`` are what ``--runtime-option`` may set. ``carries`` are further engines, by
    name, that its own one calls.
    """

    name: str
    title: str
    summary: str
    rules: tuple[Rule, ...]
    python: str = ">=3.9"
    requirements: tuple[str, ...] = ()
    package: str = ""
    pin: str = ""
    system_packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    max_size_mb: int = 0
    python_for: tuple[PythonFor, ...] = ()
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    index: Mapping[str, str] = field(default_factory=dict)
    prepare_requirements: tuple[str, ...] = ()
    optimise: Quicker = field(default_factory=Quicker)
    pickle: PicklePolicy = field(default_factory=PicklePolicy)
    unneeded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    handler_predicts: bool = False
    options: Mapping[str, Setting] = field(default_factory=dict)
    folder: Path = field(default=Path(), compare=False, repr=False)
    carries: tuple[tuple[str, Path], ...] = field(default=(), compare=False, repr=False)


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
    return _parse(table, folder, str(path))


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


_TEXTS = ("requirements", "system_packages")
_PLAIN: Mapping[str, type] = {
    "name": str,
    "title": str,
    "summary": str,
    "python": str,
    "package": str,
    "pin": str,
    "max_size_mb": int,
    "handler_predicts": bool,
    "requirements": list,
    "system_packages": list,
    "environment": dict,
    "python_for": list,
    "requires": dict,
    "index": dict,
    "prepare": dict,
    "optimise": dict,
    "pickle": dict,
    "unneeded": dict,
    "options": dict,
    "detect": list,
}
_PARSED = frozenset({"detect", "optimise", "options", "prepare", "pickle", "python_for", "requires", "unneeded"})
_NEEDED = ("name", "title", "summary", "detect")


def _parse(table: Mapping[str, Any], folder: Path, where: str) -> Runtime:
    for key, value in table.items():
        _check_key(key, value, where)
    missing = [key for key in _NEEDED if key not in table]
    if missing:
        raise UsageError(f"{where} lacks {', '.join(map(repr, missing))}.")
    prepare = table.get("prepare", {})
    _only(prepare, ("requirements",), f"{where}: [prepare]")
    values = {key: value for key, value in table.items() if key not in _PARSED}
    values |= {key: _texts(values[key], f"{where}: {key!r}") for key in _TEXTS if key in values}
    runtime = Runtime(
        **values,
        rules=parse_rules(table["detect"], where),
        python_for=tuple(_python_for(row, where) for row in table.get("python_for", [])),
        requires={
            key: _texts(value, f"{where}: [requires] {key!r}") for key, value in table.get("requires", {}).items()
        },
        prepare_requirements=_texts(prepare.get("requirements", []), f"{where}: [prepare] requirements"),
        optimise=_quicker(table.get("optimise", {}), where),
        pickle=parse_policy(table.get("pickle", {}), where),
        unneeded={
            name: _texts(paths, f"{where}: [unneeded] {name}") for name, paths in table.get("unneeded", {}).items()
        },
        options={name: _setting(row, f"{where}: [options] {name}") for name, row in table.get("options", {}).items()},
        folder=folder,
    )
    _check(runtime, where)
    return runtime


def _check_key(key: str, value: object, where: str) -> None:
    if key not in _PLAIN:
        near = difflib.get_close_matches(key, _PLAIN, n=1, cutoff=0.5)
        hint = f"Perhaps you meant {near[0]!r}." if near else f"Known keys: {', '.join(_PLAIN)}."
        raise UsageError(f"{where} has an unknown key {key!r}.", hint=hint)
    if type(value) is not _PLAIN[key]:
        raise UsageError(f"{where}: {key!r} must be a {_PLAIN[key].__name__}, not {value!r}.")


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where} has an unknown key {key!r}.", hint=f"Known: {', '.join(known)}.")


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise UsageError(f"{where} must be a list of texts, not {value!r}.")
    return tuple(value)


def _quicker(table: Mapping[str, Any], where: str) -> Quicker:
    _only(table, ("runtime", "requirements"), f"{where}: [optimise]")
    name = table.get("runtime", "")
    if not isinstance(name, str):
        raise UsageError(f"{where}: [optimise] runtime must be a text, not {name!r}.")
    return Quicker(name, _texts(table.get("requirements", []), f"{where}: [optimise] requirements"))


def _setting(row: object, where: str) -> Setting:
    if not isinstance(row, dict) or set(row) != {"kind", "help"} or row["kind"] not in ("int", "text"):
        raise UsageError(f"{where} has a 'kind', \"int\" or \"text\", and a 'help', not {row!r}.")
    return Setting(row["kind"], str(row["help"]))


def _python_for(row: object, where: str) -> PythonFor:
    if not isinstance(row, dict) or set(row) != {item.name for item in dataclasses.fields(PythonFor)}:
        raise UsageError(f"{where}: each [[python_for]] has 'version' and 'python', not {row!r}.")
    return PythonFor(**row)


def _check(runtime: Runtime, where: str) -> None:
    if runtime.pin not in PINS:
        raise UsageError(f"{where}: 'pin' cannot be {runtime.pin!r}.", hint='It is "==", ">=" or "".')
    if runtime.package and runtime.package not in runtime.requirements:
        raise UsageError(f"{where}: 'package' {runtime.package!r} is not among the requirements.")
    try:
        for text in (runtime.python, *(part for row in runtime.python_for for part in (row.version, row.python))):
            SpecifierSet(text)
        needed = (*runtime.requirements, *runtime.prepare_requirements, *runtime.optimise.requirements)
        for text in (*needed, *chain(*runtime.requires.values())):
            Requirement(text)
    except (InvalidSpecifier, InvalidRequirement) as error:
        raise UsageError(f"{where}: {error}") from error
    for name, value in runtime.index.items():
        if not isinstance(value, str) or not value.startswith(("https://", "http://")):
            raise UsageError(f"{where}: the index of {name!r} must be a URL, not {value!r}.")
    for name, value in runtime.environment.items():
        if not isinstance(value, str):
            raise UsageError(f"{where}: the environment's {name!r} must be a text, not {value!r}.")
