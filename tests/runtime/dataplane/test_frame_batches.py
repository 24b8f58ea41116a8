"""Requests to models of data frames that wait together run together, and each gets the answers to its own rows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.forecast import Forecast
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.errors import PredictionFailed
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.request import Request, Rows
from runtime.graphs import pipeline


def fitted(path: Any) -> None:
    """A model of two columns: one of numbers, one of words."""
    import joblib
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"rooms": [0.0, 1, 2, 3], "town": ["a", "b", "a", "b"]})
    encode = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    joblib.dump(make_pipeline(encode, LinearRegression()).fit(frame, [0.0, 11, 2, 13]), path)


DECLARED = """
from typing import Annotated, TypedDict
import pandas as pd

class House(TypedDict):
    rooms: float
    town: str

def predict(model, houses: Annotated[pd.DataFrame, House]):
    return [float(rooms) + 10 * (town == "b") for rooms, town in zip(houses["rooms"], houses["town"])]
"""
UNDECLARED = """
import pandas as pd

def predict(model, houses: pd.DataFrame):
    if (houses["rooms"] == 666).any():
        raise ValueError("no such house")
    return [float(rooms) + 10 * (town == "b") for rooms, town in zip(houses["rooms"], houses["town"])]
"""
KINDS = {
    "a model": {"model": fitted, "runtime": "sklearn"},
    "a handler of declared columns": {"source": DECLARED},
    "a handler of any columns": {"source": UNDECLARED},
}


class Together:
    """Jobs that are handed in in one turn of the loop."""

    def __init__(self, pipe: Any) -> None:
        self.runs: list[int] = []
        self._dataplane = Dataplane(pipe)

    def ask(self, *payloads: list[Any]) -> list[Any]:
        return asyncio.run(self._ask(payloads))

    async def _ask(self, payloads: Any) -> list[Any]:
        loop = asyncio.get_running_loop()
        seen = SimpleNamespace(run=self._seen, answered=lambda *_: None, shed=lambda _: None)
        pace = Pace(Forecast())
        pace.observe(1, 1e-6)
        batcher = Batcher(self._dataplane.run, seen, pace, loop, max_rows=100, max_waiting=100, timeout=60.0)
        answers = [loop.create_future() for _ in payloads]
        for payload, answer in zip(payloads, answers, strict=True):
            job = _job(payload, answer)
            self._dataplane.prepare(job)
            batcher.submit(job)
        return [_values(outcome) for outcome in await asyncio.gather(*answers)]

    def _seen(self, _jobs: Any, rows: int, _began: float, _seconds: float) -> None:
        self.runs.append(rows)


def _job(rows: list[Any], answer: asyncio.Future[Any]) -> Any:
    def again() -> Request:
        return Request(Rows([dict(row) for row in rows]))

    return SimpleNamespace(
        id="a", trace=None, request=again(), again=again, cancelled=False, deadline=0.0, queued=0.0, received=0.0,
        inputs=None, count=0, key=None, cache="", answer=answer.set_result, fail=answer.set_result,
    )  # fmt: skip


def _values(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        return type(outcome)
    if outcome.columns is not None:
        (values,) = outcome.columns.values()
        return values.ravel().round(6).tolist()
    return outcome.rows


def house(rooms: float, town: str) -> dict[str, Any]:
    return {"rooms": rooms, "town": town}


@pytest.mark.parametrize("kind", KINDS)
def test_they_run_together(tmp_path, kind):
    pipe = pipeline(tmp_path, **KINDS[kind])
    warm_up(pipe)
    together = Together(pipe)
    answers = together.ask([house(1.0, "b")], [house(2.0, "a"), house(3.0, "b")], [house(4.0, "a")], [house(5.0, "b")])
    assert answers == [[11], [2, 13], [4], [15]]
    assert together.runs == [5]


def test_a_row_that_fails_fails_alone(tmp_path):
    together = Together(pipeline(tmp_path, UNDECLARED))
    answers = together.ask([house(1.0, "b")], [house(666.0, "a")], [house(4.0, "a")])
    assert answers == [[11], PredictionFailed, [4]]
