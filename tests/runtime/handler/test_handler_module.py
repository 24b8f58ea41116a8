"""Importing handlers: their neighbours, their data, and clear words for what goes wrong."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.handler.module import import_handler, lend_to_main


def test_neighbours_and_data_are_found(tmp_path: Path) -> None:
    (tmp_path / "module_with_neighbour.py").write_text(
        "from pathlib import Path\n"
        "from neighbour_of_handler import twice\n"
        "TABLE = twice(Path(__file__).with_name('table.txt').read_text())\n"
    )
    (tmp_path / "neighbour_of_handler.py").write_text("def twice(text): return text * 2\n")
    (tmp_path / "table.txt").write_text("ab")

    assert import_handler("module_with_neighbour", tmp_path).TABLE == "abab"


def test_a_module_inside_packages(tmp_path: Path) -> None:
    inner = tmp_path / "outer_of_handler" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "outer_of_handler" / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("from .steps import RUNS")
    (inner / "steps.py").write_text("from . import scale\nRUNS = scale.RUNS\nRUNS.append(1)")
    (inner / "scale.py").write_text("RUNS = []")

    assert import_handler("outer_of_handler.inner.steps", tmp_path).RUNS == [1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import nowhere_to_be_found",
            r"imports 'nowhere_to_be_found', which is not installed \(broken_{}.py, line 1\)",
        ),
        ("x = 1\nraise KeyError('k')", r"broken_{} cannot be imported: KeyError: 'k' \(broken_{}.py, line 2\)"),
        ("import sys\nsys.exit(3)", r"cannot be imported: SystemExit: 3 \(broken_{}.py, line 2\)"),
        ("def f(:", r"cannot be imported: SyntaxError: .* \(broken_{}.py, line 1\)"),
    ],
)
def test_what_goes_wrong_is_told_with_its_line(tmp_path: Path, source: str, message: str) -> None:
    name = f"broken_{len(source)}"
    (tmp_path / f"{name}.py").write_text(source)

    with pytest.raises(LoadError, match=message.replace("{}", str(len(source)))):
        import_handler(name, tmp_path)
    assert name not in sys.modules


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("open('/nowhere/regions.csv')", "--data"),
        ("raise ImportError('Missing optional dependency openpyxl')", "--requirement"),
        ("1 / 0", ""),
    ],
)
def test_what_the_image_lacks_is_told_with_the_option_that_brings_it(tmp_path: Path, source: str, hint: str) -> None:
    name = f"lacking_{len(source)}"
    (tmp_path / f"{name}.py").write_text(source)

    with pytest.raises(LoadError) as caught:
        import_handler(name, tmp_path)
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


def test_a_missing_module_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no handler module 'absent_handler'"):
        import_handler("absent_handler", tmp_path)
    with pytest.raises(LoadError, match=r"folder .* is not there"):
        import_handler("absent_handler", tmp_path / "absent")


def test_a_name_that_the_server_uses(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("x = 1")

    with pytest.raises(LoadError, match="cannot be called json") as caught:
        import_handler("json", tmp_path)
    assert caught.value.hint == "Rename it."


def test_pickles_of_a_script_find_its_classes(tmp_path: Path) -> None:
    (tmp_path / "module_with_class.py").write_text("class Doubler:\n    factor = 2\n")
    content = b"\x80\x02c__main__\nDoubler\n)\x81."

    lend_to_main(import_handler("module_with_class", tmp_path))

    assert pickle.loads(content).factor == 2
