from __future__ import annotations

import contextlib
import re

import click
import pytest

from docs.markdown import Command, blocks, commands
from modelbuild.cli import mbuild

COMMANDS = [command for block in blocks("console", "sh", "bash") for command in commands(block)]
# Also inside of another: docker run $(mbuild package ...)
MBUILD = [command for command in COMMANDS if command.words and command.words[0] == "mbuild"]


def test_blocks_of_a_shell_are_consoles():
    """Then every command begins with a dollar sign, and can be told from what it prints."""
    assert blocks("sh", "bash", "shell") == []
    assert [block.id for block in blocks("console") if not block.text.startswith("$ ")] == []


@pytest.mark.parametrize("command", MBUILD, ids=lambda command: command.id)
def test_mbuild_has_the_command_and_its_flags(command: Command, monkeypatch):
    for name in mbuild_variables():
        monkeypatch.delenv(name, raising=False)
    arguments = [word for word in command.words[1:] if word != "..."]
    if arguments and arguments[0].startswith("-"):
        mbuild.make_context("mbuild", arguments, resilient_parsing=True)
        return
    assert arguments[0] in mbuild.commands, f"there is no mbuild {arguments[0]}"
    subcommand = mbuild.commands[arguments[0]]
    with contextlib.suppress(click.exceptions.Exit):  # --help
        subcommand.make_context(arguments[0], list(_without_redirection(arguments[1:])))


def mbuild_variables() -> set[str]:
    return {
        str(parameter.envvar)
        for subcommand in mbuild.commands.values()
        for parameter in subcommand.params
        if parameter.envvar
    }


def _without_redirection(words):
    for word in words:
        if re.match(r"[<>|&;]", word):
            return
        yield word
