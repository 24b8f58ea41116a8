"""Times in records: the schema names their format, and frames get times, not their text."""

import datetime as dt
import json
import re
from dataclasses import dataclass, field
from typing import Annotated

import pandas as pd
import pydantic
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.handler.annotations import classify
from modelbuild_runtime.handler.entry import entry
from modelbuild_runtime.handler.records import RecordType
from modelbuild_runtime.samples import sample_rows
from modelbuild_runtime.signature import Signature


@dataclass
class Visit:
    began: dt.datetime
    opens: dt.time
    ended: dt.datetime | None = None


@dataclass
class Stay:
    day: dt.date
    left: dt.date | None = None
    others: list[dt.date] = field(default_factory=list)


class PydanticStay(pydantic.BaseModel):
    day: dt.date
    left: dt.date | None = None
    others: list[dt.date] = []


@pytest.mark.parametrize("kind", [Stay, PydanticStay])
def test_a_frames_midnight_is_a_date(kind) -> None:
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-02-03"])})
    (row,) = json.loads(frame.to_json(orient="records", date_format="iso"))
    midnight = row["day"]
    assert midnight == "2024-02-03T00:00:00.000"

    (stay,) = RecordType(kind).convert([{"day": midnight, "left": midnight, "others": [midnight, "2024-02-04"]}])

    assert (stay.day, stay.left) == (dt.date(2024, 2, 3),) * 2
    assert stay.others == [dt.date(2024, 2, 3), dt.date(2024, 2, 4)]


@pytest.mark.parametrize("text", ["2024-02-03T00:00", "2024-02-03 00:00:00", "2024-02-03T00:00:00"])
def test_a_midnight_however_exact(text) -> None:
    (stay,) = RecordType(Stay).convert([{"day": text}])
    assert stay.day == dt.date(2024, 2, 3)


NOT_DATES = ["T00:00:00.001", "T01:00:00", "T00:00:00Z", "T00:00:00+02:00", "T", "T00:00:00.000x", " 00", "T24:00:00"]


@pytest.mark.parametrize("text", [f"2024-02-03{rest}" for rest in NOT_DATES] + ["2024-02-30T00:00:00"])
def test_any_other_time_is_no_date(text) -> None:
    with pytest.raises(InvalidInput, match=f"'day': expected a date like '2026-11-21', got '{re.escape(text)}'"):
        RecordType(Stay).convert([{"day": text}])


def test_the_schema_names_the_format_with_and_without_a_zone() -> None:
    properties = RecordType(Visit).schema["properties"]

    assert properties["began"]["format"] == "date-time"
    assert properties["opens"]["format"] == "time"
    assert properties["ended"]["anyOf"] == [{"type": "string", "format": "date-time"}, {"type": "null"}]


def test_what_is_made_up_from_the_schema_is_a_time() -> None:
    record = RecordType(Visit)

    (visit,) = record.convert(sample_rows(Contract(record.specs, record=record.schema)))

    assert isinstance(visit.began, dt.datetime)


def test_a_frame_gets_times() -> None:
    @dataclass
    class Began:
        began: dt.datetime

    start = entry(classify(Annotated[pd.DataFrame, Began], "visits"), Signature())

    frame = start.enter(start.convert([{"began": "2026-01-02T03:04:05"}]))

    assert frame["began"].dt.hour.tolist() == [3]
