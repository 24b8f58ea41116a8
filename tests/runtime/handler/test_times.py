"""Times in records: the schema names their format, and frames get times, not their text."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated

import pandas as pd

from modelbuild_runtime.contract import Contract
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
