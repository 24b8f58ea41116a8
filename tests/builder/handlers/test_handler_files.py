"""Which files come along with a handler."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modelbuild.errors import HandlerError
from modelbuild.handlers.handler import Handler, read_handler

PREPROCESS = "def preprocess(inputs):\n    return inputs\n"


def paths(handler: Handler) -> list[str]:
    return [file.path for file in handler.files]


def test_local_modules_come_along_at_any_remove(write):
    handler = read_handler(
        write(
            {
                "features.py": "import scaling\nfrom text import clean, nothing\n" + PREPROCESS,
                "scaling.py": "import tables.units\nimport numpy",
                "tables/__init__.py": "",
                "tables/units.py": "from . import si",
                "tables/si.py": "import features",
                "tables/unused.py": "import unheard_of",
                "text/clean.py": "import regex",
                "other.py": "import unheard_of",
            }
        )
    )
    assert paths(handler) == [
        "features.py",
        "scaling.py",
        "tables/__init__.py",
        "tables/si.py",
        "tables/units.py",
        "text/clean.py",
    ]
    assert handler.requirements == ("numpy", "regex")


def test_a_module_called_like_one_of_python_is_pythons(write):
    handler = read_handler(write({"features.py": "import random, statistics\n" + PREPROCESS, "random.py": "bad("}))
    assert paths(handler) == ["features.py"]


def test_a_broken_module_of_ones_own_is_named(write):
    with pytest.raises(HandlerError, match=r"scaling\.py, line 1"):
        read_handler(write({"features.py": "import scaling\n" + PREPROCESS, "scaling.py": "def ("}))


def test_a_module_in_a_package_is_imported_by_its_full_name(write):
    handler = read_handler(
        write(
            {
                "team/features/handler.py": "from .scaling import scale\nfrom .. import shared\n" + PREPROCESS,
                "team/features/scaling.py": "",
                "team/features/__init__.py": "",
                "team/__init__.py": "",
                "team/shared.py": "",
            }
        )
    )
    assert handler.module == "team.features.handler"
    assert paths(handler) == [
        "team/__init__.py",
        "team/features/__init__.py",
        "team/features/handler.py",
        "team/features/scaling.py",
        "team/shared.py",
    ]


@pytest.mark.parametrize(
    "line, message", [("from .gone import x", "there is no module .gone"), ("from ... import x", "leaves")]
)
def test_relative_imports_that_lead_nowhere(line, message, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"pack/handler.py": f"{line}\n{PREPROCESS}", "pack/__init__.py": ""}))
    assert message in caught.value.message
    assert "line 1" in caught.value.message


def test_a_folder_comes_whole_but_for_what_is_hidden_or_made_by_tools(write, tmp_path):
    write(
        {
            "h/handler.py": "import helper\n" + PREPROCESS,
            "h/helper.py": "import numpy",
            "h/data/table.csv": "a",
            "h/train.py": "import matplotlib",
            "h/.env": "SECRET=1",
            "h/.git/config": "x",
            "h/__pycache__/x.pyc": "x",
            "h/venv/pyvenv.cfg": "x",
            "h/venv/lib/x.py": "x",
        }
    )
    handler = read_handler(tmp_path / "h")
    assert handler.module == "handler"
    assert paths(handler) == ["data/table.csv", "handler.py", "helper.py", "train.py"]
    assert handler.requirements == ("numpy",)


@pytest.mark.parametrize(
    "files, module",
    [
        ({"h/features.py": PREPROCESS, "h/train.py": "x = 1"}, "features"),
        ({"h/handler.py": PREPROCESS, "h/other.py": PREPROCESS}, "handler"),
        ({"h/__init__.py": "from .features import preprocess", "h/features.py": PREPROCESS}, "h"),
    ],
)
def test_the_module_of_a_folder(files, module, write, tmp_path):
    write(files)
    handler = read_handler(tmp_path / "h")
    assert handler.module == module
    prefix = "h/" if module == "h" else ""
    assert paths(handler) == sorted(prefix + name.removeprefix("h/") for name in files)


@pytest.mark.parametrize(
    "files, message",
    [
        ({"h/a.py": PREPROCESS, "h/b.py": PREPROCESS}, "2 modules in the folder"),
        ({"h/a.py": "x = 1"}, "there is a.py"),
        ({"h/a.txt": "x"}, "there is no Python file"),
    ],
)
def test_folders_without_one_module(files, message, write, tmp_path):
    write(files)
    with pytest.raises(HandlerError, match=message):
        read_handler(tmp_path / "h")


def test_data_files(write, tmp_path):
    path = write(
        {
            "h/features.py": PREPROCESS,
            "h/data/a.csv": "a",
            "elsewhere/b.csv": "b",
            "tables/c/d.csv": "d",
            "tables/.x": "",
        }
    )
    data = (tmp_path / "h/data/a.csv", tmp_path / "elsewhere/b.csv", tmp_path / "tables")
    handler = read_handler(path, data=data)
    assert paths(handler) == ["b.csv", "data/a.csv", "features.py", "tables/c/d.csv"]


def test_data_files_that_collide_or_are_missing(write, tmp_path):
    path = write({"h/features.py": PREPROCESS, "a/x.csv": "1", "b/x.csv": "2"})
    with pytest.raises(HandlerError, match=r"would both be x\.csv"):
        read_handler(path, data=(tmp_path / "a/x.csv", tmp_path / "b/x.csv"))
    with pytest.raises(HandlerError, match="There is no data file"):
        read_handler(path, data=(tmp_path / "gone.csv",))


def test_a_relative_path_is_as_good(write, tmp_path, monkeypatch):
    path = write({"features.py": PREPROCESS, "data.csv": "x"})
    monkeypatch.chdir(tmp_path)
    assert read_handler(Path("features.py"), data=(Path("data.csv"),)) == read_handler(
        path, data=(tmp_path / "data.csv",)
    )


def test_a_folder_with_a_link_out(write, tmp_path):
    write({"h/handler.py": PREPROCESS})
    (tmp_path / "h" / "secrets").symlink_to("/etc")
    with pytest.raises(HandlerError, match="outside of the folder"):
        read_handler(tmp_path / "h")


def test_what_cannot_be_read(write, monkeypatch):
    path = write({"features.py": PREPROCESS})

    def refuse(*_: Any) -> bytes:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(HandlerError, match=r"features\.py cannot be read: Permission denied"):
        read_handler(path)
