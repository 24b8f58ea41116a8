"""Commands of the documentation, parsed as click does, and not executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import click

from modelbuild.cli import mbuild


def parse(words: Sequence[str]) -> click.Context:
    """``mbuild NAME ...`` as its command's context: the name and every flag and argument exist, and have values that fit.

    Raises:
        click.UsageError: one does not.
    """
    # A command keeps what it learnt of its first context: it must have its parent, as it always has.
    parent = click.Context(mbuild, info_name="mbuild", **mbuild.context_settings)
    name, command, rest = mbuild.resolve_command(parent, list(_without_redirection(words[1:])))
    assert command is not None
    return command.make_context(name, rest, parent=parent)


def _without_redirection(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if re.match(r"[<>|&;]", word):
            return
        if word != "...":
            yield word
