"""pydantic models as record types: its own validation and schema."""

from __future__ import annotations

from typing import Optional

import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.handler.records import RecordType, is_record

pydantic = pytest.importorskip("pydantic", minversion="2")


class Address(pydantic.BaseModel):
    city: str


class Customer(pydantic.BaseModel):
    age: int = pydantic.Field(ge=18)
    name: str = pydantic.Field(alias="fullName")
    score: Optional[float] = None  # noqa: UP045
    address: Optional[Address] = None  # noqa: UP045

    @pydantic.field_validator("name")
    @classmethod
    def not_empty(cls, value: str) -> str:
        if not value:
            raise ValueError("a name has letters")
        return value


class Welcoming(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore")
    a: int


def test_fields_and_schema() -> None:
    record = RecordType(Customer)

    assert is_record(Customer)
    assert [(s.name, s.datatype, s.optional) for s in record.specs] == [
        ("age", "INT64", False),
        ("fullName", "BYTES", False),
        ("score", "FP64", True),
        ("address", "BYTES", True),
    ]
    assert record.schema["properties"]["age"]["minimum"] == 18
    assert not record.plain


def test_rows_become_instances() -> None:
    (ada,) = RecordType(Customer).convert([{"age": 36.0, "fullName": "Ada", "address": {"city": "London"}}])

    assert (ada.age, ada.name, ada.score, ada.address.city) == (36, "Ada", None, "London")
    assert RecordType(Customer).columns([ada])["fullName"].tolist() == ["Ada"]


@pytest.mark.parametrize(
    ("row", "message", "name"),
    [
        ({"age": 17, "fullName": "x"}, "row 1: 'age': input should be greater than or equal to 18, got 17", "age"),
        ({"age": 20}, "row 1: the field 'fullName' is missing", "fullName"),
        ({"age": 20, "fullName": ""}, "row 1: 'fullName': value error, a name has letters, got ''", "fullName"),
        ({"age": 20, "fullName": "x", "nom": 1}, "row 1: there is no field 'nom'", "nom"),
        ({"age": 20, "fullName": "x", "address": {}}, "row 1: the field 'address.city' is missing", "address.city"),
    ],
)
def test_what_pydantic_refuses_is_told(row: dict, message: str, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RecordType(Customer).convert([{"age": 20, "fullName": "good"}, row])

    assert caught.value.message.startswith(message)
    assert caught.value.field == name


def test_a_model_that_ignores_more_is_given_more() -> None:
    assert RecordType(Welcoming).convert([{"a": 1, "z": 2}])[0].a == 1
