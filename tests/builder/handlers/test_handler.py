from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modelbuild.errors import HandlerError
from modelbuild.handlers.handler import Handler, read_handler

PREPROCESS = "def preprocess(inputs):\n    return inputs\n"


@pytest.fixture
def write(tmp_path: Path):
    """Write files and return the path of the first."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / next(iter(files))

    return write


def paths(handler: Handler) -> list[str]:
    return [file.path for file in handler.files]


STYLES = {
    PREPROCESS: ("functions", ("preprocess",)),
    "def load(context): ...\ndef predict(model, inputs): ...": ("functions", ("predict", "load")),
    "def postprocess(outputs, inputs): ...": ("functions", ("postprocess",)),
    "def preprocess(inputs, *, parameters): ...": ("functions", ("preprocess",)),
    "def preprocess(inputs, parameters): ...": ("functions", ("preprocess",)),
    "def preprocess(*inputs): ...": ("functions", ("preprocess",)),
    "def preprocess(inputs, scale=1): ...": ("functions", ("preprocess",)),
    "from features import preprocess": ("functions", ("preprocess",)),
    "preprocess = lambda inputs: inputs": ("functions", ("preprocess",)),
    "if True:\n    def preprocess(inputs): ...": ("functions", ("preprocess",)),
    "try:\n    import a\nexcept ImportError:\n    def preprocess(inputs): ...": ("functions", ("preprocess",)),
    "def preprocess(x): ...\ndef handle(data, context): ...": ("torchserve", ("handle",)),
    "class A:\n    def handle(self, data, context): ...": ("torchserve", ("A",)),
    "from ts.torch_handler.base_handler import BaseHandler\nclass A(BaseHandler): ...": ("torchserve", ("A",)),
    "def model_fn(model_dir): ...": ("sagemaker", ("model_fn",)),
    "def model_fn(d, context): ...\ndef predict_fn(x, model): ...": ("sagemaker", ("model_fn", "predict_fn")),
    "def transform_fn(model, body, kind, accept): ...": ("sagemaker", ("transform_fn",)),
}


CLIPPED = "class Clipped: ...\ndef unrelated(x): ..."
DEFINITIONS = {
    CLIPPED: ("definitions", ("Clipped",)),
    "from clips import Clipped": ("definitions", ("Clipped",)),
    f"{CLIPPED}\n{PREPROCESS}": ("functions", ("preprocess",)),
}


@pytest.mark.parametrize("text", DEFINITIONS)
@pytest.mark.parametrize("owner", ["__main__", "features"])
def test_what_a_pickle_refers_to_is_a_handler(owner, text, write):
    path = write({"features.py": text, "clips.py": ""})
    handler = read_handler(path, referred=[("sklearn.svm", "SVC"), (owner, "Clipped"), (owner, "Gone.inner")])
    assert (handler.style, handler.entry_points) == DEFINITIONS[text]


@pytest.mark.parametrize("owner, name", [("clips", "Clipped"), ("__main__", "Other"), ("sklearn.svm", "Clipped")])
def test_what_no_pickle_refers_to_is_none(owner, name, write):
    with pytest.raises(HandlerError, match=r"has no entry point; it defines unrelated, Clipped"):
        read_handler(write({"features.py": CLIPPED}), referred=[(owner, name)])


def test_a_load_that_nobody_would_call_is_not_passed_over(write):
    with pytest.raises(HandlerError, match="has no entry point"):
        read_handler(write({"features.py": f"{CLIPPED}\ndef load(context): ..."}), referred=[("__main__", "Clipped")])


def test_the_module_of_a_folder_that_has_what_a_pickle_refers_to(write, tmp_path):
    write({"h/clips.py": CLIPPED, "h/other.py": "x = 1"})
    assert read_handler(tmp_path / "h", referred=[("clips", "Clipped")]).module == "clips"


@pytest.mark.parametrize("text", STYLES)
def test_styles(text, write):
    handler = read_handler(write({"features.py": text}))
    assert (handler.style, handler.entry_points) == STYLES[text]
    assert handler.module == "features"


REFUSED = {
    "": ("has no entry point.", "Define preprocess"),
    "def preproces(x): ...": ("it defines preproces (did you mean preprocess?)", "Define preprocess"),
    "def scale(x): ...\nclass Thing: ...": ("has no entry point; it defines scale, Thing", "Define preprocess"),
    "def load(context): ...": ("has no entry point", "Define"),
    "def handle(x): ...": ("has no entry point", "handle(data, context)"),
    "def preprocess(): ...": ("line 1: preprocess takes 0 arguments", "preprocess(inputs)"),
    "x = 1\n\ndef preprocess(a, b, c): ...": ("line 3: preprocess takes 3 arguments", "preprocess(inputs)"),
    "def predict(inputs): ...": ("line 1: predict takes 1 argument.", "predict(model, inputs)"),
    "def postprocess(a, b, c): ...": ("postprocess takes 3 arguments", "postprocess(outputs)"),
    PREPROCESS + "def load(a, b): ...": ("load takes 2 arguments", "load(context)"),
    "def model_fn(): ...": ("model_fn takes 0 arguments", "model_fn(model_dir)"),
    "def predict_fn(x): ...": ("predict_fn takes 1 argument", "predict_fn(data, model)"),
    "async def preprocess(x): ...": ("line 1: preprocess is async", "plain function"),
    "def preprocess(x):\n    yield x": ("line 1: preprocess is a generator", "plain function"),
    "def postprocess(x):\n    yield x": ("line 1: postprocess is a generator", "plain function"),
    "async def handle(data, context): ...": ("handle is async", "plain function"),
    "def handle(data, context): ...\ndef model_fn(d): ...": (
        "entry points of two kinds: handle and model_fn",
        "one kind",
    ),
    "class A:\n    def handle(self, d, c): ...\nclass B(A): ...": ("2 classes that handle requests: A, B", "Keep one"),
    "def preprocess(x:\n    pass": ("line 1: '(' was never closed", "syntax"),
    "def preprocess(x):\n  a\n b": ("line 3: unindent does not match", "syntax"),
    "print 'hello'": ("line 1: Missing parentheses", "syntax"),
    "x = '\0'": ("null bytes", ""),
    "# -*- coding: no-such-encoding -*-\n": ("no-such-encoding", ""),
    "x = " + "(" * 300: ("too many nested parentheses", ""),
    "x = 1" + "+1" * 50_000: ("nested too deeply", ""),
    "from . import x\n" + PREPROCESS: ("is no package", "__init__.py"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:30])
def test_refused(text, write):
    message, hint = REFUSED[text]
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"bad.py": text}))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 14


def test_a_syntax_error_shows_its_line(write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"bad.py": "x = 1\ny = = 2\n"}))
    assert caught.value.details == "y = = 2\n    ^"


@pytest.mark.parametrize(
    "name, message, hint",
    [
        ("notebook.ipynb", "is a notebook", "Python file"),
        ("model.onnx", "is no Python file", "a .py file"),
        ("my-features.py", "cannot be imported", "my_features.py"),
        ("2nd.py", "cannot be imported", "2nd.py"),
        ("json.py", "cannot be called json.py", "Rename"),
        ("numpy.py", "cannot be called numpy.py", "Rename"),
    ],
)
def test_files_that_can_be_no_handler(name, message, hint, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({name: PREPROCESS}))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_handler_that_is_not_there(tmp_path):
    with pytest.raises(HandlerError, match="There is no handler"):
        read_handler(tmp_path / "gone.py")


def test_nothing_of_it_runs(write, tmp_path):
    mark = tmp_path / "ran"
    read_handler(write({"features.py": f"open({str(mark)!r}, 'w')\n{PREPROCESS}"}))
    assert not mark.exists()


# Imports.


def test_imports_become_distributions(write):
    handler = read_handler(
        write(
            {
                "features.py": """
import cv2, yaml, json, os.path
from PIL import Image
from sklearn.preprocessing import StandardScaler
from google.cloud import storage
import requests.sessions as s
def preprocess(inputs):
    import bs4
    with open("x"):
        from dateutil import parser
    import importlib
    importlib.import_module("lxml.etree")
    return inputs
"""
            }
        )
    )
    assert handler.imports == ("PIL", "bs4", "cv2", "dateutil", "google", "lxml", "requests", "sklearn", "yaml")
    assert handler.requirements == (
        "beautifulsoup4",
        "google-cloud-storage",
        "lxml",
        "opencv-python-headless",
        "pillow",
        "python-dateutil",
        "pyyaml",
        "requests",
        "scikit-learn",
    )


def test_what_the_code_does_without_is_not_required(write):
    handler = read_handler(
        write(
            {
                "features.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import only_for_types
try:
    import orjson
except ImportError:
    import ujson as orjson
try:
    import fast
except (ImportError, OSError):
    fast = None
"""
                + PREPROCESS
            }
        )
    )
    assert handler.requirements == ("fast", "orjson")


def test_what_the_server_brings_is_not_required(write):
    handler = read_handler(
        write({"h.py": "import ts.utils.util, mms, modelbuild_runtime\ndef handle(data, context): ...\n"})
    )
    assert handler.requirements == ()


def test_a_block_declares(write):
    handler = read_handler(
        write(
            {
                "features.py": """# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#   "pandas==2.2.*",
#   "opencv-python",
#   "acme-features>=2; python_version > '3'",
# ]
# ///
import pandas, cv2, acme, numpy
"""
                + PREPROCESS,
                "requirements.txt": "ignored",
            }
        )
    )
    assert handler.python == "<3.13,>=3.10"
    assert handler.requirements == (
        "pandas==2.2.*",
        "opencv-python",
        'acme-features>=2; python_version > "3"',
        "numpy",
    )


@pytest.mark.parametrize(
    "block, message",
    [
        ("# dependencies = [", "is no TOML"),
        ('# dependencies = "pandas"', "must be a list"),
        ('# dependencies = ["pandas =!= 1"]', "'pandas =!= 1'"),
        ('# requires-python = "three"', "'requires-python'"),
        ("# dependencies = []\n# ///\n\n# /// script\n# dependencies = []", "2 PEP 723 blocks"),
    ],
)
def test_blocks_that_are_wrong(block, message, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"features.py": f"# /// script\n{block}\n# ///\n{PREPROCESS}"}))
    assert message in caught.value.message


def test_a_requirements_file_declares(write):
    handler = read_handler(
        write(
            {
                "features.py": "import pandas, numpy, acme\n" + PREPROCESS,
                "requirements.txt": """\ufeff# what we need
pandas>=2 \\
    --hash=sha256:00 \\
    --hash=sha256:11
--prefer-binary
-r more.txt
acme-features[fast]==1.0   # ours
""",
                "more.txt": "Requests ; python_version >= '3.9'\n",
            }
        )
    )
    assert handler.requirements == (
        "pandas>=2",
        'Requests; python_version >= "3.9"',
        "acme-features[fast]==1.0",
        "numpy",
    )


@pytest.mark.parametrize(
    "text, message, hint",
    [
        ("--index-url https://x/simple", "has the option --index-url", "mbuild's --index-url"),
        ("--extra-index-url=https://x", "has the option --extra-index-url", "mbuild's --extra-index-url"),
        ("-e .", "has the option -e", "--find-links"),
        ("./wheels/acme-1.0-py3-none-any.whl", "no requirement", "--find-links"),
        ("git+https://host/acme.git", "no requirement", "--find-links"),
        ("acme @ git+ssh://host/acme.git", "from git+ssh", "--find-links"),
        ("acme == ", "no requirement", "NAME==VERSION"),
        ("-r gone.txt", "gone.txt cannot be read", ""),
        ("-r requirements.txt", "includes itself", "circle"),
    ],
)
def test_requirements_files_that_are_wrong(text, message, hint, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"features.py": PREPROCESS, "requirements.txt": text}))
    assert message in caught.value.message
    assert hint in caught.value.hint


# Files.


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
