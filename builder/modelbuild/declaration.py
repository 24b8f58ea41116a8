"""What a ``runtime.toml`` declares: pure data, checked key by key."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from modelbuild.errors import UsageError
from modelbuild.formats.rules import Rule, parse_rules
from modelbuild.pickles.policy import PicklePolicy, parse_policy

PINS = ("==", ">=", "")


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


def parse_declaration(table: Mapping[str, Any], folder: Path, where: str) -> Runtime:
    """The runtime that a ``runtime.toml`` at ``where`` declares.

    Raises:
        UsageError: a key or value is wrong, or one is missing.
    """
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
