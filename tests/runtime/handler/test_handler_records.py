"""Record types: their columns, their JSON Schema, rows made their instances, and what a wrong row is told."""

from __future__ import annotations

import datetime as dt
import enum
import socket
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.handler.records import RecordType, is_record
from modelbuild_runtime.handler.repair import FRAME
from modelbuild_runtime.samples import sample_rows
from modelbuild_runtime.signature import TensorSpec

Euros = NewType("Euros", float)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Everything:
    number: float
    count: int
    text: str
    flag: bool
    money: Euros
    either: int | float
    maybe: float | None
    old: Optional[int]  # noqa: UP045
    choice: Literal["a", "b"]
    grade: Literal[1, 2]
    colour: Colour
    window: list[float]
    pair: tuple[int, int]
    grid: list[list[int]]
    pixels: Annotated[NDArray[np.uint8], (2, 3)]
    blob: bytes
    anything: dict[str, int]
    mixed: list[int | str]
    given: int = 3
    made: list[str] = field(default_factory=list)


def spec(name: str, datatype: str, *inner: int, optional: bool = False, labels: tuple[str, ...] = ()) -> TensorSpec:
    return TensorSpec(name, datatype, (-1, *inner), optional, labels)


def test_columns() -> None:
    assert RecordType(Everything).specs == (
        spec("number", "FP64"),
        spec("count", "INT64"),
        spec("text", "BYTES"),
        spec("flag", "BOOL"),
        spec("money", "FP64"),
        spec("either", "FP64"),
        spec("maybe", "FP64", optional=True),
        spec("old", "INT64", optional=True),
        spec("choice", "BYTES", labels=("a", "b")),
        spec("grade", "INT64", labels=("1", "2")),
        spec("colour", "BYTES", labels=("red", "blue")),
        spec("window", "FP64", -1),
        spec("pair", "INT64", 2),
        spec("grid", "INT64", -1, -1),
        spec("pixels", "UINT8", 2, 3),
        spec("blob", "BYTES"),
        spec("anything", "BYTES"),
        spec("mixed", "BYTES"),
        spec("given", "INT64", optional=True),
        spec("made", "BYTES", -1, optional=True),
    )


class Struct(msgspec.Struct, rename="camel"):
    first_name: str
    age: int = 3


class Dict(TypedDict):
    surface: float
    area: float
    age: NotRequired[int]


class Loose(TypedDict, total=False):
    a: int


@dataclass
class Plain:
    a: float
    b: str


@pytest.mark.parametrize("cls", [Struct, Dict, Loose, Plain])
def test_kinds_of_record(cls: type) -> None:
    assert is_record(cls)


class Pair(NamedTuple):
    a: int


@pytest.mark.parametrize("cls", [dict, int, Pair, list[int], "Plain", Plain(1.0, "")])
def test_what_is_no_record(cls: object) -> None:
    assert not is_record(cls)


def test_names_on_the_wire_are_the_encoded_ones() -> None:
    record = RecordType(Struct)

    assert record.names == ("firstName", "age")
    assert record.convert([{"firstName": "Ada"}]) == [Struct("Ada", 3)]
    assert record.columns([Struct("Ada", 4)])["firstName"].tolist() == ["Ada"]


def test_fields_keep_the_order_in_which_they_are_written() -> None:
    record = RecordType(Dict)

    assert record.names == ("surface", "area", "age")
    assert list(record.schema["properties"]) == ["surface", "area", "age"]
    assert record.convert([[1.0, 2.0], [1.0, 2.0, 3]]) == [
        {"surface": 1.0, "area": 2.0},
        {"surface": 1.0, "area": 2.0, "age": 3},
    ]


def test_schema_is_closed_and_stands_alone() -> None:
    @dataclass
    class Outer:
        inner: Plain
        n: Annotated[int, msgspec.Meta(ge=0)] = 1

    Outer.__annotations__ = {"inner": Plain, "n": Annotated[int, msgspec.Meta(ge=0)]}
    schema = RecordType(Outer).schema

    assert schema["additionalProperties"] is False
    assert schema["required"] == ["inner"]
    assert schema["properties"]["n"] == {"type": "integer", "minimum": 0, "default": 1}
    assert schema["properties"]["inner"] == {"$ref": "#/$defs/Plain"}
    assert set(schema["$defs"]) == {"Plain"}


@pytest.mark.parametrize(
    ("row", "message", "name"),
    [
        ({"a": "1", "b": "x"}, "'a': expected a number, got a string: '1'", "a"),
        ({"a": None, "b": "x"}, "'a': expected a number, got null", "a"),
        ({"a": True, "b": "x"}, "'a': expected a number, got true or false: True", "a"),
        ({"a": 1, "b": 2}, "'b': expected a string, got an integer: 2", "b"),
        ({"a": 1}, "the field 'b' is missing", "b"),
        ({"a": 1, "b": "x", "c": 1}, "there is no field 'c'; the fields are a, b", "c"),
        ({"aa": 1, "b": "x"}, "there is no field 'aa'; did you mean 'a'?", "aa"),
        ({"a": {"0": 1, "1": 2}, "b": {"0": "x"}}, f"'a': expected a number, got an object; {FRAME}", "a"),
        ({"columns": ["a", "b"], "data": [[1, "x"]]}, f"there is no field 'columns'; {FRAME}", "columns"),
        ({"n" * 500: 1}, f"there is no field '{'n' * 58}…; the fields are a, b", "n" * 60),
        ([1], "expected an object, or a list of the 2 values a, b; got a list of 1", ""),
        ("x", "expected an object, or a list of the 2 values a, b; got 'x'", ""),
        (None, "expected an object, or a list of the 2 values a, b; got null", ""),
        ({"a": "y" * 500, "b": "x"}, "'a': expected a number, got a string: '" + "y" * 58 + "…", "a"),
    ],
)
def test_a_wrong_row_is_told_its_field_and_value(row: object, message: str, name: str) -> None:
    record = RecordType(Plain)

    with pytest.raises(InvalidInput) as caught:
        record.convert([row])

    assert (caught.value.message, caught.value.field) == (message, name)


@dataclass
class Visit:
    day: dt.date
    at: dt.datetime = dt.datetime(2026, 1, 1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"day": "03.02.2024"}, "'day': expected a date like '2026-11-21', got '03.02.2024'"),
        ({"day": 1706918400000}, "'day': expected a date like '2026-11-21', got an integer: 1706918400000"),
        (
            {"day": "2024-02-03", "at": "noon"},
            "'at': expected a date and time like '2026-11-21T03:40:00', got 'noon'",
        ),
    ],
)
def test_what_a_date_looks_like_is_shown(row: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RecordType(Visit).convert([row])
    assert caught.value.message == message


def test_of_several_rows_the_wrong_one_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        RecordType(Plain).convert([{"a": 1, "b": "x"}, {"a": "z", "b": "x"}])

    assert caught.value.message == "row 1: 'a': expected a number, got a string: 'z'"


def test_nested_fields_and_closed_sets_are_named() -> None:
    record = RecordType(Everything)
    row = {f.name: 1 for f in record.fields}

    def complaint(**changes: object) -> InvalidInput:
        good = {
            **row, "text": "t", "flag": True, "choice": "a", "colour": "red", "window": [1], "pair": [1, 2],
            "grid": [[1]], "pixels": [[0] * 3] * 2, "blob": "", "anything": {}, "mixed": [], "made": [],
        }  # fmt: skip
        assert len(record.convert([good])) == 1
        with pytest.raises(InvalidInput) as caught:
            record.convert([{**good, **changes}])
        return caught.value

    assert complaint(window=[1, "x"]).field == "window.1"
    assert complaint(pair=[1]).field == "pair"
    assert complaint(choice="c").message == "'choice': Invalid enum value 'c'"
    assert complaint(grid=[[1], [1, None]]).field == "grid.1.1"
    assert complaint(count=1.5).message == "'count': expected an integer, got a number: 1.5"


@dataclass
class Image:
    pixels: Annotated[NDArray[np.uint8], (2, 2)]
    scale: Optional[NDArray[np.float32]] = None  # noqa: UP045


def test_arrays_of_a_record_have_the_declared_shape() -> None:
    record = RecordType(Image)
    row = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}

    assert record.schema["properties"]["pixels"] == {"type": "array", "items": row, "minItems": 2, "maxItems": 2}
    (made,) = record.convert([{"pixels": [[1, 2], [3, 255]], "scale": [[1.5, None]]}])
    assert made.pixels.tolist() == [[1, 2], [3, 255]]
    assert (made.pixels.dtype, made.scale.dtype, made.scale.shape) == (np.uint8, np.float32, (1, 2))
    (sample,) = sample_rows(Contract(record.specs, record=record.schema))
    assert record.convert([sample])[0].pixels.shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("pixels", [1, 2, 3], r"'pixels': expected an array of shape \[2, 2\], got \[3\]"),
        ("pixels", np.zeros((2, 3), np.uint8), r"'pixels': expected an array of shape \[2, 2\], got \[2, 3\]"),
        ("pixels", [[1, 2], [3, 256]], "'pixels': expected an array of uint8"),
        ("pixels", [[1, 2], [3, -1]], "'pixels': expected an array of uint8"),
        ("pixels", [[1, 2], [3, 1.5]], "'pixels': expected an array of uint8"),
        ("pixels", [[1, 2], [3, 10**400]], "'pixels': expected an array of uint8"),
        ("pixels", [[1, 2], [3]], "'pixels': expected an array of uint8"),
        ("pixels", "ab", "'pixels': expected an array of uint8"),
        ("scale", [1e39], "'scale': expected an array of float32"),
    ],
)
def test_arrays_of_a_record_hold_what_was_sent(name: str, value: object, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as caught:
        RecordType(Image).convert([{"pixels": [[1, 2], [3, 4]], name: value}])
    assert caught.value.field == name


def test_a_types_own_check_is_told() -> None:
    @dataclass
    class Positive:
        n: int

        def __post_init__(self) -> None:
            if self.n < 0:
                raise ValueError("n must not be negative")

    with pytest.raises(InvalidInput, match="row 1: n must not be negative"):
        RecordType(Positive).convert([{"n": 1}, {"n": -1}])


def test_rows_of_tensors_are_spelt_as_json_would() -> None:
    record = RecordType(Everything)
    columns = {
        "number": np.array([1, 2]),
        "count": np.array([3.0, 4.0]),
        "text": np.array([b"x", "y"], object),
        "flag": np.array([True, False]),
        "money": np.array([[1.5], [2.5]]),
        "either": np.array([1, 2]),
        "maybe": np.array([np.nan, 1.0]),
        "old": np.array([1, 2]),
        "choice": np.array([b"a", b"b"], object),
        "grade": np.array([1, 2], np.int8),
        "colour": np.array(["red", "blue"], object),
        "window": np.array([[1.0], [2.0]], np.float32),
        "pair": np.array([[1, 2], [3, 4]]),
        "grid": np.array([[[1]], [[2]]]),
        "pixels": np.zeros((2, 2, 3), np.uint8),
        "blob": np.array([b"\xff", b""], object),
        "anything": np.array([b'{"a": 1}', "{}"], object),
        "mixed": np.array(["[1, 2]", "[]"], object),
    }

    first, second = record.rows(columns)

    assert (first.count, type(first.count)) == (3, int)
    assert first.maybe != first.maybe
    assert (first.text, first.choice, first.colour, first.blob) == ("x", "a", Colour.RED, b"\xff")
    assert (first.anything, first.mixed, second.pair) == ({"a": 1}, [1, 2], (3, 4))
    assert (first.money, second.money, second.window) == (1.5, 2.5, [2.0])
    assert (first.pixels.dtype, first.pixels.shape) == (np.uint8, (2, 3))
    assert (first.given, first.made) == (3, [])


def test_columns_of_records() -> None:
    @dataclass
    class Sparse:
        a: Optional[float]  # noqa: UP045
        b: Optional[int]  # noqa: UP045
        c: Optional[str]  # noqa: UP045
        d: list[float]
        e: bool

    Sparse.__annotations__ = {"a": float | None, "b": int | None, "c": str | None, "d": list[float], "e": bool}
    record = RecordType(Sparse)

    columns = record.columns([Sparse(None, None, None, [1.0, 2.0], True), Sparse(1.0, 2, "x", [3.0, 4.0], False)])

    assert np.isnan(columns["a"][0])
    assert (columns["b"].dtype, columns["b"][1]) == (np.float64, 2.0)
    assert columns["c"].tolist() == [None, "x"]
    assert columns["d"].shape == (2, 2)
    assert columns["e"].dtype == np.bool_
    assert record.columns([Sparse(1, 1, "", [1.0], True), Sparse(1, 1, "", [], True)])["d"].dtype == object


@pytest.mark.parametrize(
    ("cls", "plain"), [(Plain, True), (Dict, False), (Struct, False), (Everything, False)], ids=str
)
def test_plain_types_need_no_rows(cls: type, plain: bool) -> None:
    assert RecordType(cls).plain is plain


def test_an_annotation_that_is_not_there() -> None:
    @dataclass
    class Lost:
        a: "Nowhere"  # noqa: F821, UP037

    with pytest.raises(LoadError, match="record type Lost of the handler cannot be read: name 'Nowhere'"):
        RecordType(Lost)


def test_a_field_that_no_client_can_send() -> None:
    @dataclass
    class Wired:
        a: socket.socket

    with pytest.raises(LoadError, match=r"Wired of the handler has a field that no JSON can fill: .*socket"):
        RecordType(Wired)


def test_instances_may_come_back() -> None:
    record = RecordType(Plain)

    assert record.convert([Plain(1.0, "x")]) == [Plain(1.0, "x")]


def test_defaults_are_in_the_instance() -> None:
    @dataclass
    class Defaulted:
        a: int
        b: str = "x"

    Defaulted.__annotations__ = {"a": int, "b": str}
    assert vars(RecordType(Defaulted).convert([{"a": 1}])[0]) == {"a": 1, "b": "x"}
