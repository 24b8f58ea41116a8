"""The flags of commands: options of packaging, each made of its field of ``Options``, and what all commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelbuild.config import FILE_NAME, option_fields, option_type

Command = Callable[..., Any]


def with_options(*skip: str) -> Callable[[Command], Command]:
    """Every option of packaging as a flag, but those in ``skip``, which this command has no use for."""

    def decorate(function: Command) -> Command:
        for item in reversed([item for item in option_fields() if item.name not in skip]):
            function = _flag(item.name, item.metadata, item.default)(function)
        return function

    return decorate


def _flag(name: str, metadata: Any, default: Any) -> Callable[[Command], Command]:
    kind, repeated = option_type(name)
    flags = [f"--{name.replace('_', '-')}"] + ([metadata["short"]] if metadata["short"] else [])
    help_text = metadata["help"] + (
        f" [default: {default}]" if default and not isinstance(default, (bool, tuple)) else ""
    )
    settings: dict[str, Any] = {"help": help_text, "default": None, "envvar": f"MBUILD_{name.upper()}"}
    if kind is bool:
        settings["is_flag"] = True
    else:
        settings["type"] = click.Path(path_type=Path) if kind is Path else kind
        settings["multiple"] = repeated
        if metadata["metavar"]:
            settings["metavar"] = metadata["metavar"]
    return click.option(*flags, name, **settings)


def common(function: Command) -> Command:
    """The flags that every command has."""
    function = click.option("-v", "--verbose", is_flag=True, help="Show the logs of the tools that do the work.")(
        function
    )
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function)


MODEL = click.argument("model", type=click.Path(path_type=Path), required=False)
CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help=f"Options from this file instead of {FILE_NAME}."
)
