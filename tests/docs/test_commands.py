from __future__ import annotations

import contextlib

import click
import pytest

from docs.command_line import parse
from docs.markdown import Command, blocks, commands
from modelbuild.cli import mbuild

COMMANDS = [command for block in blocks("console") for command in commands(block)]
MBUILD = [command for command in COMMANDS if command.words and command.words[0] == "mbuild"]


def test_blocks_of_a_shell_are_consoles():
    """Then every command begins with a dollar sign, and can be told from what it prints."""
    assert blocks("sh", "bash", "shell") == []
    assert [block.id for block in blocks("console") if not block.text.startswith("$ ")] == []


@pytest.mark.parametrize("command", MBUILD, ids=lambda command: command.id)
def test_mbuild_has_the_command_and_its_flags(command: Command, monkeypatch):
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    with contextlib.suppress(click.exceptions.Exit):  # --help
        parse(command.words)


def test_every_command_is_shown_somewhere():
    assert {*mbuild.commands} - {command.words[1] for command in MBUILD} == set()


def variables() -> set[str]:
    parameters = [parameter for subcommand in mbuild.commands.values() for parameter in subcommand.params]
    return {str(parameter.envvar) for parameter in parameters if parameter.envvar}
