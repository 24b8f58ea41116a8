"""CSV for records: an empty cell of a field that may be left out is a field left out."""

from dataclasses import dataclass

import pytest

from modelbuild_runtime.bodies.csv_body import read
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.fields import fields_of
from modelbuild_runtime.dataplane.tensors import check_tensors
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.handler.records import RecordType
from modelbuild_runtime.request import Columns, Rows
from modelbuild_runtime.signature import TensorSpec


@dataclass
class House:
    surface: float
    kind: str
    energy: str | None = None
    garden: bool = True
    town: str = "Paris"


RECORD = RecordType(House)
CONTRACT = Contract(RECORD.specs, record=RECORD.schema)


def houses(body: bytes) -> list:
    payload = read(body, CONTRACT).payload
    assert isinstance(payload, Rows)
    return RECORD.convert(payload.items)


@pytest.mark.parametrize("header", [b"", b"surface,kind,energy,garden,town\n"], ids=["in order", "by name"])
def test_defaults_fill_the_gaps(header: bytes) -> None:
    assert houses(header + b"68,flat,,,\n70.5,house,B,false,Lyon\n") == [
        House(68.0, "flat"),
        House(70.5, "house", "B", garden=False, town="Lyon"),
    ]


def test_an_empty_text_that_is_required_stays_an_empty_text() -> None:
    assert houses(b"surface,kind,energy\n68,,\n") == [House(68.0, "")]


@dataclass
class Patient:
    blood: str | None
    age: float | None
    ward: int = 1


PATIENT = RecordType(Patient)


@pytest.mark.parametrize("header", [b"", b"blood,age,ward\n"], ids=["in order", "by name"])
def test_an_empty_cell_is_null_where_the_field_may_be_null_and_has_no_default(header: bytes) -> None:
    payload = read(header + b",40,2\nA,,\n", Contract(PATIENT.specs, record=PATIENT.schema)).payload
    assert isinstance(payload, Rows)
    assert PATIENT.convert(payload.items) == [Patient(None, 40.0, 2), Patient("A", None)]


COLUMNS = Contract(
    (
        TensorSpec("x", "FP64", (-1,)),
        TensorSpec("c", "BYTES", (-1,), optional=True),
        TensorSpec("n", "FP64", (-1,), optional=True),
    )
)


@pytest.mark.parametrize("header", [b"", b"x,c,n\n"], ids=["in order", "by name"])
def test_an_empty_cell_is_missing_whatever_the_other_rows_hold(header: bytes) -> None:
    payload = read(header + b"0,,1\n0,a,\n0,NaN,NA\n0,b,null\n", COLUMNS).payload
    assert isinstance(payload, Columns)
    assert payload.tensors["c"].data == [None, "a", "NaN", "b"]
    assert payload.tensors["n"].data == [1.0, None, None, None]
    inputs = check_tensors(fields_of(COLUMNS), payload.tensors)[0]
    assert list(inputs["c"]) == [None, "a", "NaN", "b"]


@pytest.mark.parametrize("header", [b"", b"x,c,n\n"], ids=["in order", "by name"])
def test_a_column_without_a_value_is_not_there(header: bytes) -> None:
    payload = read(header + b"0,,\n1,,\n", COLUMNS).payload
    assert isinstance(payload, Columns)
    assert payload.tensors.keys() == {"x"}


def test_numbers_of_records_may_be_written_as_missing() -> None:
    assert houses(b"surface,kind,garden\n68,flat,NA\n68,flat,false\n") == [
        House(68.0, "flat"),
        House(68.0, "flat", garden=False),
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"surface,kind\n68,flat\nbig,house\n", "line 3: input 'surface' is FP64, and 'big' is not"),
        (b"68,flat,,,\nbig,house,,,\n", "line 2: input 'surface' is FP64, and 'big' is not"),
        (b"surface,kind,energy\n68,flat,\nbig,house,B\n", "line 3: input 'surface' is FP64, and 'big' is not"),
        (b"surface,kid\n68,flat\n", "as a header it names 'kid', which is no column; did you mean 'kind'?"),
        (b",surface,kind\n0,68,flat\n", r"its first column has no name: .* to_csv\(index=False\)"),
        (b"a,b,c\n1,2,3\n", r"not the contract's names \(surface, kind, energy, garden, town\)"),
    ],
    ids=["by name", "in order", "with gaps", "misspelt", "pandas' index", "of another table"],
)
def test_what_is_wrong_is_told_with_its_line_or_its_column(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(body, CONTRACT)
