from __future__ import annotations

import sys

from modelbuild.dependencies import interpreter
from modelbuild.dependencies.interpreter import find_interpreter


def test_this_interpreter_serves_its_own_version():
    assert str(find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")) == sys.executable


def test_what_answers_wrongly_is_no_interpreter(tmp_path, monkeypatch):
    liar = tmp_path / "versions/3.7.1/bin/python3.7"
    liar.parent.mkdir(parents=True)
    liar.write_text("#!/bin/sh\necho pypy 3.7\n")
    liar.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    interpreter.find_interpreter.cache_clear()
    assert find_interpreter("3.7") is None
    liar.write_text("#!/bin/sh\necho cpython 3.7\n")
    interpreter.find_interpreter.cache_clear()
    assert find_interpreter("3.7") == liar
    interpreter.find_interpreter.cache_clear()
