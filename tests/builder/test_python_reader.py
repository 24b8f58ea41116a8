"""A handler alone, and models that only a handler can run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelbuild.cli import main
from modelbuild.config import Options
from modelbuild.errors import HandlerError, UnknownFormatError
from modelbuild.host import Host
from modelbuild.source import Source, read_source

PREDICTS = "import numpy as np\n\ndef predict(model, rows: dict):\n    return {'y': 1}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "features.py").write_text(PREDICTS)
    (tmp_path / "table.csv").write_text("1,2\n")
    return tmp_path


def source(model: Path, **options: object) -> Source:
    return read_source(model, Options(**options), Host(model.parent / "cache", "3.11", {}))  # type: ignore[arg-type]


def test_a_module_is_its_own_handler(folder):
    found = source(folder / "features.py", data=(folder / "table.csv",))
    assert found.handler is not None
    assert (found.runtime.name, found.handler.module, found.handler.imports) == ("python", "features", ("numpy",))
    assert [file.path for file in found.handler.files] == ["features.py", "table.csv"]


def test_a_handler_alone_is_the_model(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    main(["inspect", "--handler", "features.py"])
    assert "handler: features (functions: predict)" in capsys.readouterr().out


def test_inspect_shows_what_the_handler_takes(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    record = (
        "from dataclasses import dataclass\n@dataclass\nclass Payment:\n    amount: float\n    country: str = 'FR'\n"
    )
    (folder / "shop.py").write_text(f"{record}def predict(model, inputs: list[Payment]): ...")
    main(["inspect", "--handler", "shop.py"])
    shown = capsys.readouterr().out.splitlines()
    assert "field of Payment: amount  float" in shown
    assert "field of Payment: country  str  optional" in shown
    main(["inspect", "--handler", "shop.py", "--json"])
    fields = json.loads(capsys.readouterr().out)["handler"]["record"]["fields"]
    assert fields[1] == {"name": "country", "type": "str", "required": False}


def test_a_folder_may_be_the_handler(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "rules.py").write_text(PREDICTS)
    (folder / "inner" / "rules.json").write_text("{}")
    found = source(folder / "inner", handler=folder / "inner")
    assert found.artifact.name == "rules.py"
    assert found.handler is not None
    assert [file.path for file in found.handler.files] == ["rules.json", "rules.py"]


def test_any_file_goes_along_with_a_handler_that_loads_it(folder):
    found = source(folder / "table.csv", handler=folder / "features.py", runtime="python")
    assert [file.path for file in found.artifact.files] == ["table.csv"]
    assert found.handler is not None
    with pytest.raises(UnknownFormatError):  # only where it is asked for: a typing mistake is no model
        source(folder / "table.csv", handler=folder / "features.py")


def test_somebody_has_to_predict(folder):
    with pytest.raises(HandlerError, match=r"leaves table\.csv to a handler"):
        source(folder / "table.csv", runtime="python")
    (folder / "half.py").write_text("def preprocess(x):\n    return x\n")
    with pytest.raises(HandlerError, match="half has no predict"):
        source(folder / "half.py")
