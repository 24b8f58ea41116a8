from __future__ import annotations

import sys

import pytest

from modelbuild import converter
from modelbuild.converter import run_converter
from modelbuild.errors import NoSpaceError, UnsupportedModelError


def program(source: str) -> list[str]:
    return [sys.executable, "-I", "-c", source]


def test_what_it_said_and_how_it_ended():
    ended = run_converter(program("import sys; print('a'); sys.exit('no such layer')"), "Converting x")
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "a\n", "no such layer\n")


def test_it_reads_nothing_and_has_the_environment_that_is_given():
    source = "import os, sys; print(repr(sys.stdin.read()), os.environ.get('A'))"
    assert run_converter(program(source), "Converting x", {"A": "1"}).stdout == "'' 1\n"


def test_a_full_disk():
    with pytest.raises(NoSpaceError, match="The disk is full"):
        run_converter(program("raise OSError(28, 'No space left on device')"), "Converting x")


def test_one_that_never_ends(monkeypatch):
    monkeypatch.setattr(converter, "TIMEOUT", 0.5)
    with pytest.raises(UnsupportedModelError, match=r"^Converting x took more than 0\.5 s\.$"):
        run_converter(program("import time; time.sleep(60)"), "Converting x")
