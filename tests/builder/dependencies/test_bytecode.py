from __future__ import annotations

import importlib.util
import marshal
import sys
from pathlib import Path

from modelbuild.dependencies import bytecode
from modelbuild.dependencies.bytecode import compile_bytecode

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
UNCHECKED_HASH = 0b01


def test_pycs_need_no_times_and_say_where_they_will_lie(tmp_path):
    module = tmp_path / "opt/a.py"
    module.parent.mkdir()
    module.write_text("def f(): ...\n")
    assert compile_bytecode(tmp_path, HERE) == ()
    content = Path(importlib.util.cache_from_source(str(module))).read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == UNCHECKED_HASH
    assert marshal.loads(content[16:]).co_filename == "/opt/a.py"


def test_what_does_not_compile_is_left_alone(tmp_path):
    (tmp_path / "old.py").write_text("print 'two'\n")
    (tmp_path / "null.py").write_bytes(b"a = 1\0")
    (tmp_path / "good.py").write_text("a = 1\n")
    compile_bytecode(tmp_path, HERE)
    assert [path.name.split(".")[0] for path in (tmp_path / "__pycache__").iterdir()] == ["good"]


def test_a_module_in_the_tree_is_never_imported(tmp_path):
    (tmp_path / "py_compile.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/py_compile.py").write_text("raise SystemExit('imported')\n")
    compile_bytecode(tmp_path / "opt", HERE)
    assert (tmp_path / "opt/__pycache__").exists()


def test_without_an_interpreter_there_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(bytecode, "find_interpreter", lambda python: None)
    (tmp_path / "a.py").write_text("a = 1\n")
    assert compile_bytecode(tmp_path, "3.7") == (
        "No Python 3.7 on this machine: the image has no bytecode and starts a little slower.",
    )
    assert not (tmp_path / "__pycache__").exists()
