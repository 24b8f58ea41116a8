"""CSV for records: an empty cell of a field that may be left out is a field left out."""

from dataclasses import dataclass

import pytest

from modelbuild_runtime.bodies.csv_body import read
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.handler.records import RecordType
from modelbuild_runtime.request import Rows


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
