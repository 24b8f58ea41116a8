from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest

from modelbuild_runtime.answers import items
from modelbuild_runtime.answers.items import encode, to_columns
from modelbuild_runtime.errors import PredictionFailed
from modelbuild_runtime.signature import TensorSpec


class Word(str):
    __slots__ = ()


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Data:
    a: int


class Struct(msgspec.Struct):
    a: int


class Pydantic(pydantic.BaseModel):
    a: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        (np.str_("a"), '"a"'),
        (np.array([[1, 2]]), "[[1,2]]"),
        (np.float64("nan"), "null"),
        (float("inf"), "null"),
        (Word("w"), '"w"'),
        (Colour.RED, '"red"'),
        (Data(1), '{"a":1}'),
        (Struct(1), '{"a":1}'),
        (Pydantic(a=1), '{"a":1}'),
        (pd.Series([1, 2]), '{"0":1,"1":2}'),
        (pd.Timestamp("2024-01-01"), '"2024-01-01T00:00:00"'),
        (dt.date(2024, 1, 1), '"2024-01-01"'),
        ({"a": (1, None), 2: {"b"}}, '{"a":[1,null],"2":["b"]}'),
        (b"\xff", '"/w=="'),
    ],
)
def test_what_handlers_return_can_be_said_in_json(value, text):
    assert encode(value).decode() == text


class Loop:
    def to_dict(self) -> Any:
        return {"again": self}


@pytest.mark.parametrize("value", [object(), {(1, 2): 3}, 1j, Loop(), 2**70 * 1j])
def test_what_json_cannot_say_is_the_handler_s_failure(value):
    with pytest.raises(PredictionFailed, match="cannot be written as JSON"):
        encode(value)


def plain(columns):
    return {name: (array.dtype.name, array.tolist()) for name, array in columns.items()}


def test_objects_with_the_same_names_become_columns():
    assert plain(to_columns([{"a": 1, "b": "x", "c": 0.5}, {"a": 2, "b": "y", "c": None}], ())) == {
        "a": ("int64", [1, 2]),
        "b": ("object", ["x", "y"]),
        "c": ("float64", [0.5, pytest.approx(np.nan, nan_ok=True)]),
    }


def test_the_contract_says_datatype_and_name():
    assert plain(to_columns([0.5, 1], (TensorSpec("y", "FP32", (-1,)),))) == {"y": ("float32", [0.5, 1])}
    assert plain(to_columns([0.5], (TensorSpec("y", "INT64", (-1,)),))) == {"y": ("float64", [0.5])}
    assert plain(to_columns([[1, 2], [3, 4]], ())) == {"output": ("int64", [[1, 2], [3, 4]])}


@pytest.mark.parametrize(
    ("items", "texts"),
    [
        ([[1], [2, 3]], ["[1]", "[2,3]"]),
        ([1, "a"], ["1", "a"]),
        ([{"a": 1}, {"b": 2}], ['{"a":1}', '{"b":2}']),
        ([{}, {}], ["{}", "{}"]),
        ([2**70, 1], [str(2**70), "1"]),
        ([None, "a"], ["null", "a"]),
    ],
)
def test_what_is_no_tensor_becomes_text(items, texts):
    assert plain(to_columns(items, ())) == {"output": ("object", texts)}


def test_text_takes_no_more_room_than_it_has():
    texts = ["x" * 1_000_000, *["y"] * 1_000_000]  # as an array of NumPy's own text 4 TB
    assert to_columns(texts, ())["output"].tolist() == texts
    assert to_columns([[text] for text in texts], ())["output"][1] == '["y"]'


def test_many_values_are_encoded_in_slices(monkeypatch):
    lengths = []
    one = items._encode
    monkeypatch.setattr(items, "_encode", lambda value: lengths.append(len(value)) or one(value))
    rows = [[n, "a", None] for n in range(3 * items.MANY + 5)]
    assert items.encode(rows) == one(rows)
    assert lengths == [items.MANY] * 3 + [5]
