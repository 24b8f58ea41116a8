"""What the builder reads of a record's fields is what the server makes the contract of."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelbuild.handlers.handler import read_handler
from modelbuild_runtime.handler.annotations import parameters

HEAD = """
import dataclasses
import datetime as dt
from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NotRequired, TypedDict
import msgspec
import pandas as pd
import pydantic
"""
FIELDS = """
    amount: float
    day: dt.date | None
    country: str = "FR"
"""
READ = [("amount", "float", True), ("day", "dt.date | None", True), ("country", "str", False)]
TAKES = "def preprocess(rows: Payment): ..."
RECORDS = {
    "dataclass": (f"@dataclass\nclass Payment:{FIELDS}    limit: ClassVar[int] = 3\n{TAKES}", READ),
    "list": (f"@dataclass\nclass Payment:{FIELDS}\ndef preprocess(rows: list[Payment]): ...", READ),
    "frame": (f"@dataclass\nclass Payment:{FIELDS}\ndef preprocess(x: Annotated[pd.DataFrame, Payment]): ...", READ),
    "text": (f"@dataclass\nclass Payment:{FIELDS}\ndef preprocess(rows: 'list[Payment]'): ...", READ),
    "predict": (f"@dataclass\nclass Payment:{FIELDS}\ndef predict(model, rows: list[Payment]): ...", READ),
    "after parameters": (f"@dataclass\nclass Payment:{FIELDS}\ndef preprocess(parameters, row: Payment): ...", READ),
    "described": (
        (
            "@dataclass\nclass Payment:\n    a: int = field(repr=False)\n    _: KW_ONLY\n"
            f"    b: list[int] = dataclasses.field(default_factory=list)\n    c: int = field(default=1)\n{TAKES}"
        ),
        [("a", "int", True), ("b", "list[int]", False), ("c", "int", False)],
    ),
    "typed dict": (
        f"class Payment(TypedDict):\n    z: int\n    a: NotRequired[str]\n{TAKES}",
        [("z", "int", True), ("a", "NotRequired[str]", False)],
    ),
    "partial dict": (f"class Payment(TypedDict, total=False):\n    z: int\n{TAKES}", [("z", "int", False)]),
    "struct": (
        f"class Payment(msgspec.Struct):\n    a: int = msgspec.field(name='A')\n    b: int = 1\n{TAKES}",
        [("A", "int", True), ("b", "int", False)],
    ),
    "pydantic": (
        (
            "class Payment(pydantic.BaseModel):\n    a: int = pydantic.Field(ge=0)\n    b: int = pydantic.Field(2, ge=0)\n"
            f"    c: Literal['x'] = pydantic.Field(..., alias='C')\n{TAKES}"
        ),
        [("a", "int", True), ("b", "int", False), ("C", "Literal['x']", True)],
    ),
    "inherited": (
        f"@dataclass\nclass Base:{FIELDS}\n@dataclass\nclass Payment(Base):\n    amount: int\n    more: str = ''\n{TAKES}",
        [("amount", "int", True), *READ[1:], ("more", "str", False)],
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_fields_are_those_of_the_contract(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = RECORDS[name]
    path = tmp_path / "features_with_a_record.py"
    path.write_text(HEAD + text)

    record = read_handler(path).record

    assert record is not None
    assert record.name == "Payment"
    assert [(field.name, field.type, field.required) for field in record.fields] == expected
    served = SimpleNamespace(**_imported(path, monkeypatch))
    stage, least = ("predict", 2) if hasattr(served, "predict") else ("preprocess", 1)
    takes = parameters(stage, getattr(served, stage), least, least).takes(least - 1)
    assert takes.record is not None
    assert [(field.name, field.required) for field in takes.record.fields] == [(n, must) for n, _, must in expected]


def _imported(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return vars(module)


NONE = {
    "nothing said": "def preprocess(rows): ...",
    "an array": "import numpy as np\ndef preprocess(rows: np.ndarray): ...",
    "from elsewhere": "from shop import Payment\ndef preprocess(row: Payment): ...",
    "a base from elsewhere": "from shop import Base\nclass Payment(Base):\n    a: int\ndef preprocess(row: Payment): ...",
    "a base of itself": "class Payment(Payment):\n    a: int\ndef preprocess(row: Payment): ...",
    "of the model's answer": "class Out:\n    a: int\ndef preprocess(rows) -> Out: ...\ndef predict(m, x: Out): ...",
    "another server's": "class Payment:\n    a: int\ndef preprocess(x: Payment): ...\ndef handle(data, context): ...",
}


@pytest.mark.parametrize("name", NONE)
def test_what_cannot_be_read_is_not_shown(name: str, tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text(NONE[name])
    assert read_handler(tmp_path / "features.py").record is None


def test_a_record_of_a_module_beside_the_handler(tmp_path: Path) -> None:
    (tmp_path / "records.py").write_text(f"{HEAD}@dataclass\nclass Payment:{FIELDS}")
    (tmp_path / "features.py").write_text(f"from records import Payment\n{TAKES}")
    record = read_handler(tmp_path / "features.py").record
    assert record is not None
    assert [field.name for field in record.fields] == ["amount", "day", "country"]
