"""Missing text in a frame: one row is the same row, whatever else is in its batch."""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
import pytest

from modelbuild_runtime.handler.annotations import classify
from modelbuild_runtime.handler.entry import entry
from modelbuild_runtime.signature import Signature


@dataclass
class House:
    surface: float
    energy: str | None = None


@pytest.mark.parametrize("others", [[], [{"surface": 2.0, "energy": "A"}]], ids=["alone", "beside one that has it"])
def test_is_nan_as_in_a_file_that_pandas_read(others: list) -> None:
    start = entry(classify(Annotated[pd.DataFrame, House], "houses"), Signature())

    frame = start.enter(start.convert([{"surface": 1.0}, *others]))

    missing = frame["energy"].iloc[0]
    assert missing is not None
    assert pd.isna(missing)
