"""The short way of records may only take what the long way takes, and must make the same of it."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.handler.records import RecordType
from modelbuild_runtime.request import Rows


@dataclass
class Person:
    age: int
    pay: float
    job: str = "none"
    ok: bool = True
    level: Literal["a", "b"] = "a"
    maybe: float | None = None
    either: int | str = 0


@dataclass(frozen=True)
class Sample:
    values: Annotated[NDArray[np.float32], (2,)]
    half: Annotated[NDArray[np.float16], (1,)]
    name: str


class Renamed(msgspec.Struct, rename="camel", kw_only=True):
    some_pay: Annotated[float, msgspec.Meta(ge=0)]
    age: int


FULL: dict[Any, dict[str, Any]] = {
    Person: {"age": 1, "pay": 2.5, "job": "x", "ok": False, "level": "b", "maybe": None, "either": "y"},
    Sample: {"values": [1, 2.5], "half": [0.5], "name": "n"},
    Renamed: {"somePay": 1, "age": 3},
}


def read(cls, body, *, short):
    """The form of a body, and its records as text; or why there are none."""
    record = RecordType(cls)
    contract = Contract(record.specs, record=record.schema, row=record.row if short else None)
    try:
        question = NaturalJson(contract).read(body)
        return question.form, question.parameters, repr(record.convert(question.payload.items))
    except ServerError as error:
        return str(error)


values = st.one_of(
    st.floats(),
    st.integers(-(10**40), 10**40),
    st.sampled_from([1e39, 1e300, 70000.0, 10**400, -0.0, 1.0]),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
    st.sampled_from(["a", "b", "1", {"b64": "aGk="}, [], [1], [1, 2], [1.5, None], [1e39, 2], [True, 1], [[1, 2]], {}]),
)


@st.composite
def bodies(draw):
    """Rows that fit, but for a few values or names."""
    cls = draw(st.sampled_from(list(FULL)))
    rows = [dict(FULL[cls]) for _ in range(draw(st.integers(0, 2)))]
    for row in rows:
        row.update(draw(st.dictionaries(st.sampled_from([*row, "more"]), values, max_size=2)))
        if draw(st.booleans()):
            row.pop(draw(st.sampled_from(list(row))))
    one = rows[0] if rows else {}
    asked = draw(st.sampled_from([rows, one, {"instances": rows}, {"instances": rows, "parameters": {}}, [rows]]))
    return cls, json.dumps(asked).encode()


@given(bodies())
@example((Sample, b'[{"values":[1e39,2],"half":[1],"name":"n"}]'))
@example((Sample, b'{"instances":[{"values":[1,2],"half":[1],"name":"n"},{"values":[1,2],"half":[70000],"name":"n"}]}'))
@example((Renamed, b'[{"somePay":1,"age":2,"somePay":3}]'))
@example((Renamed, b'{"age":2,"somePay":-0}'))
@example((Renamed, b'{"somePay":1,"age":2.0}'))
@example((Person, b'{"age":1,"pay":1,"job":"\\ud800","ok":true,"level":"a","maybe":1,"either":1.0}'))
def test_both_ways_say_the_same(asked):
    cls, body = asked
    assert read(cls, body, short=True) == read(cls, body, short=False)


@pytest.mark.parametrize("cls", FULL)
@pytest.mark.parametrize("shape", [lambda row: row, lambda row: [row], lambda row: {"instances": [row, row]}])
def test_what_most_clients_send_takes_the_short_way(cls, shape):
    record = RecordType(cls)
    contract = Contract(record.specs, record=record.schema, row=record.row)
    payload = NaturalJson(contract).read(json.dumps(shape(FULL[cls])).encode()).payload
    assert isinstance(payload, Rows)
    assert {type(item) for item in payload.items} == {record.row}


def test_fields_with_a_default_may_be_missing():
    record = RecordType(Person)
    (item,) = NaturalJson(Contract(record.specs, row=record.row)).read(b'{"age":1,"pay":2}').payload.items
    assert type(item) is record.row
    assert record.convert([item]) == [Person(1, 2.0)]


def test_arrays_may_be_written_into():
    record = RecordType(Sample)
    (made,) = record.convert([msgspec.convert(FULL[Sample], record.row)])
    made.values[0] = 7
    assert made.values.tolist() == [7, 2.5]


@dataclass
class Checked:
    age: int

    def __post_init__(self) -> None:
        self.twice = 2 * self.age


@dataclass(init=False)
class Own:
    age: int


@dataclass
class Counted:
    age: int
    count: int = field(init=False, default=0)


class Child(Person):
    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.more = 1


class Tagged(msgspec.Struct, tag=True):
    age: int


class Typed(TypedDict):
    """Its records are in the order of the client."""

    pay: float


class Level(enum.Enum):
    LOW = "low"


@dataclass
class Enumerated:
    level: Level


@dataclass
class Exact:
    price: Decimal


@dataclass
class Nested:
    person: Person


@dataclass
class Listed:
    values: list[float]


@dataclass
class Image:
    pixels: Annotated[NDArray[np.uint8], (2, 2)]


@pytest.mark.parametrize("cls", [Checked, Own, Counted, Child, Tagged, Typed, Enumerated, Exact, Nested, Listed, Image])
def test_types_that_may_be_more_than_their_fields_have_no_short_way(cls):
    assert RecordType(cls).row is None


def test_a_field_may_be_called_instances():
    cls = msgspec.defstruct("Asked", [("instances", float)])
    assert read(cls, b'{"instances":1}', short=True) == read(cls, b'{"instances":1}', short=False)
    assert "1.0" in str(read(cls, b'{"instances":1}', short=True))


def test_clients_are_told_the_contract_without_it():
    record = RecordType(Sample)
    told = msgspec.json.encode(Contract(record.specs, record=record.schema, row=record.row).told())
    assert msgspec.json.decode(told, type=Contract) == Contract(record.specs, record=record.schema)
