"""Every option of mbuild, once: a field is the flag, the environment variable, the key of mbuild.yaml,
the keyword of the Python interface, the default and the documentation.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from modelbuild.errors import UsageError

FILE_NAME = "mbuild.yaml"
_DAY = 86400

CONTENTS = "What goes in"
DEPENDENCIES = "Dependencies"
BUILDING = "Building"
CHECKING = "Checking"


def option(
    default: Any,
    sentence: str,
    *,
    group: str,
    short: str = "",
    metavar: str = "",
) -> Any:
    """One option: its default, its sentence in ``--help``, and the group it is listed under."""
    return field(default=default, metadata={"help": sentence, "group": group, "short": short, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class Options:
    """All options of packaging. Paths are as the user gave them, relative to where they were given."""

    handler: Path | None = option(
        None, "Feature code: a Python file, or a folder with its helper modules.", group=CONTENTS, short="-H"
    )
    data: tuple[Path, ...] = option((), "A file or folder that the handler reads. Repeatable.", group=CONTENTS)
    tag: str = option(
        "", "Name the image: registry/team/name:version.", group=CONTENTS, short="-t", metavar="REFERENCE"
    )
    name: str = option("", "The model's name in its URLs. Default: the last part of the tag.", group=CONTENTS)
    model_version: str = option(
        "", "The model's version in its URLs. Default: what the model says, or 1.", group=CONTENTS, metavar="VERSION"
    )
    runtime: str = option(
        "", "Do not detect the format: use this runtime, by name or by folder.", group=CONTENTS, metavar="NAME|FOLDER"
    )
    runtime_option: tuple[str, ...] = option(
        (), "Set an option of the runtime: see mbuild runtimes. Repeatable.", group=CONTENTS, metavar="NAME=VALUE"
    )
    allow_unsafe: bool = option(
        False, "Package a pickle although loading it may execute more than its framework needs.", group=CONTENTS
    )
    optimize: bool = option(
        False,
        "Convert the model to a quicker form, where it answers the examples the same; loads it on this machine.",
        group=CONTENTS,
    )
    env: tuple[str, ...] = option(
        (), "Set an environment variable in the image. Repeatable.", group=CONTENTS, metavar="K=V"
    )
    slo: str = option(
        "",
        "Answer in so much time, and turn away at once what cannot be: MBUILD_SLO in the image.",
        group=CONTENTS,
        metavar="20ms|0.02s",
    )
    label: tuple[str, ...] = option((), "Put a label on the image. Repeatable.", group=CONTENTS, metavar="K=V")

    python: str = option(
        "", "Python of the image. Default: what the artifact needs.", group=DEPENDENCIES, metavar="X.Y"
    )
    requirement: tuple[str, ...] = option(
        (),
        "A further requirement, or another version of one. Repeatable.",
        group=DEPENDENCIES,
        short="-r",
        metavar="PEP508",
    )
    index_url: str = option("", "Package index instead of PyPI.", group=DEPENDENCIES, metavar="URL")
    extra_index_url: tuple[str, ...] = option(
        (), "A further package index. Repeatable.", group=DEPENDENCIES, metavar="URL"
    )
    find_links: tuple[str, ...] = option(
        (), "A folder or page of wheels. Repeatable.", group=DEPENDENCIES, metavar="PATH|URL"
    )
    ca_file: Path | None = option(
        None, "Certificates to trust while resolving. They never reach the image.", group=DEPENDENCIES
    )
    refresh: bool = option(False, "Resolve the requirements anew instead of using today's lock.", group=DEPENDENCIES)

    base: str = option(
        "", "Base image. Default: python:X.Y-slim of the Python chosen.", group=BUILDING, metavar="REFERENCE"
    )
    platform: str = option("linux/amd64", "Platform of the image.", group=BUILDING)
    engine: str = option("", "Build engine: docker or podman. Default: what is there.", group=BUILDING, metavar="NAME")
    pull: bool = option(False, "Ask the registry for a newer base image.", group=BUILDING)
    no_cache: bool = option(False, "Build every layer anew.", group=BUILDING)
    push: bool = option(False, "Push the image when it is verified.", group=BUILDING)

    example: tuple[Path, ...] = option(
        (), "A request to replay, with or without its expected answer. Repeatable.", group=CHECKING, short="-e"
    )
    tolerance: float = option(1e-4, "How far an answer may be from the expected one, relatively.", group=CHECKING)
    ready_timeout: float = option(120.0, "Seconds to wait until the image is ready.", group=CHECKING)
    no_verify: bool = option(False, "Tag the image without having asked it anything. A label says so.", group=CHECKING)


def option_fields() -> tuple[Field[Any], ...]:
    """The options, in the order in which they are documented."""
    return fields(Options)


def option_type(name: str) -> tuple[type, bool]:
    """The type of one value of an option, and whether it can be repeated."""
    hint = get_type_hints(Options)[name]
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    inner = [arg for arg in get_args(hint) if arg is not type(None)]
    return (inner[0] if inner else hint), False


def suggestion(word: str, known: list[str]) -> str:
    """A sentence that names the nearest known word, or lists them all."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Perhaps you meant {near[0]!r}." if near else f"Known are: {', '.join(sorted(known))}."


def make_options(*layers: Mapping[str, Any]) -> Options:
    """Options from mappings of the fields' names; a later mapping overrides an earlier one."""
    merged: dict[str, Any] = {}
    known = [item.name for item in option_fields()]
    for layer in layers:
        for key, value in layer.items():
            if key not in known:
                raise UsageError(f"Unknown option {key!r}.", hint=suggestion(key, known))
            merged[key] = _convert(key, value)
    return Options(**merged)


def _convert(name: str, value: Any) -> Any:
    kind, repeated = option_type(name)
    if repeated:
        items = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(_convert_one(name, kind, item) for item in items)
    return _convert_one(name, kind, value)


def _convert_one(name: str, kind: type, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        raise UsageError(f"Option {name!r} cannot be a list: {', '.join(map(str, value))}.", hint="It takes one value.")
    if kind is bool:
        return _convert_bool(name, value)
    try:
        result = kind(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"Option {name!r} cannot be {value!r}.", hint=f"It takes a {kind.__name__}.") from error
    if kind is float and not 0 <= result < math.inf:
        raise UsageError(f"Option {name!r} cannot be {value!r}.", hint="It takes a number from 0 up.")
    return result


def _convert_bool(name: str, value: Any) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    result = known.get(str(value).lower())
    if result is None:
        raise UsageError(f"Option {name!r} cannot be {value!r}.", hint="It takes true or false.")
    return result


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """mbuild.yaml: options by their names with dashes or underscores, and the model."""

    path: Path
    model: Path | None
    options: Mapping[str, Any]


def read_config(path: Path) -> ConfigFile:
    """Read mbuild.yaml; paths in it are relative to its folder. Unknown keys are refused.

    Raises:
        UsageError: it cannot be read, is no mapping, or holds an unknown key.
    """
    try:
        # Every scalar stays the text that was written: ``python: 3.10`` is no number.
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}  # noqa: S506
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="Check the path given.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        hint = "It holds YAML: one `key: value` a line. `mbuild init MODEL` writes one to start from."
        raise UsageError(f"{path} cannot be read: {_reason(error)}", hint=hint) from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds a {type(value).__name__}.", hint="It must hold keys and values.")
    known = [item.name for item in option_fields()]
    options: dict[str, Any] = {}
    model: Path | None = None
    for key, item in value.items():
        name = str(key).replace("-", "_")
        if name == "model":
            model = path.parent / str(item)
        elif name in known:
            options[name] = _anchor(name, item, path.parent)
        else:
            hint = suggestion(name, ["model", *known]).replace("_", "-")
            raise UsageError(f"{path} has an unknown key {str(key)!r}.", hint=hint)
    return ConfigFile(path, model, options)


def _reason(error: UnicodeDecodeError | yaml.YAMLError) -> str:
    """What is wrong, and where."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{error}".splitlines()[0]
    return f"{error.problem} in line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}."


def _anchor(name: str, value: Any, folder: Path) -> Any:
    """Relative paths start at the file's folder; a mapping is as good as a list of NAME=VALUE."""
    kind, repeated = option_type(name)
    if isinstance(value, list):
        return tuple(_anchor(name, item, folder) for item in value)
    if isinstance(value, dict) and repeated and kind is str:
        return tuple(f"{key}={item}" for key, item in value.items())
    if isinstance(value, dict):
        raise UsageError(f"Option {name!r} cannot be a mapping.")
    return folder / value if kind is Path else value


def environment(options: Options) -> dict[str, str]:
    """What the options set in the image's environment. ``--env`` wins: it names a variable.

    Raises:
        UsageError: a pair has no value, or a duration is none.
    """
    objective = {"MBUILD_SLO": f"{duration('--slo', options.slo):g}"} if options.slo else {}
    return {**objective, **pairs(options.env, "--env")}


def duration(what: str, text: str) -> float:
    """Seconds: ``20ms``, ``0.02s`` or ``0.02``."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|)", text.strip().lower())
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if not 0 < seconds <= _DAY:
        raise UsageError(f"{what} cannot be {text!r}.", hint="Write a duration above 0: 20ms, or 0.02s.")
    return seconds


def pairs(values: tuple[str, ...], what: str) -> dict[str, str]:
    """``("A=1",)`` to ``{"A": "1"}``."""
    result = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise UsageError(f"{what} {value!r} has no value.", hint=f"Write {what} NAME=VALUE.")
        result[key] = rest
    return result
