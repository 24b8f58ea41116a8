"""How long two engines take, asked in turns, so that what else the machine does strikes both."""

from __future__ import annotations

from time import perf_counter
from typing import Dict, List, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import Engine

Arrays = Dict[str, np.ndarray]

ROUNDS = 9
ROUND_SECONDS = 0.05


def microseconds(engines: Sequence[Engine], rows: Arrays) -> Tuple[float, ...]:
    """Of one prediction by each engine: the quickest of some rounds."""
    counts = [_calls(engine, rows) for engine in engines]
    best: List[float] = [float("inf")] * len(engines)
    for _ in range(ROUNDS):
        for place, engine in enumerate(engines):
            best[place] = min(best[place], _seconds(engine, rows, counts[place]) / counts[place])
    return tuple(round(seconds * 1e6, 2) for seconds in best)


def _calls(engine: Engine, rows: Arrays) -> int:
    """How many calls fill a round."""
    _seconds(engine, rows, 3)
    one = _seconds(engine, rows, 3) / 3
    return max(1, int(ROUND_SECONDS / max(one, 1e-7)))


def _seconds(engine: Engine, rows: Arrays, calls: int) -> float:
    predict = engine.predict
    began = perf_counter()
    for _ in range(calls):
        predict(rows)
    return perf_counter() - began
