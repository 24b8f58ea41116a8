from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from modelbuild.cli import mbuild

GOLDENS = Path(__file__).parent / "goldens" / "help"


@pytest.mark.parametrize("command", ["", *sorted(mbuild.commands)])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_says(command, flag, golden):
    arguments = [command, flag] if command else [flag]
    result = CliRunner().invoke(mbuild, arguments, prog_name="mbuild", terminal_width=100)
    assert result.exit_code == 0
    golden(GOLDENS / f"{command or 'mbuild'}.txt", result.output)
