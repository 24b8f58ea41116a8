"""The first predictions, before the server is ready: they load what is lazy, show whether rows may be joined, and tell
the names and shapes of the answer where no signature does.
"""

from __future__ import annotations

import logging
import math
from time import perf_counter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.dataplane.pipeline import Pipeline
from modelbuild_runtime.process.models.differences import differs
from modelbuild_runtime.samples import sample_columns, sample_rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES

logger = logging.getLogger(__name__)

REPEATS = 3
ROWS = 3
_MEASURING = 1.0
"""Seconds for which larger and larger batches are tried at most."""
_WORTH_TRYING = 0.001
_SOON = 0.05
"""Seconds of a run from and up to which it is tried whether joining makes it quicker."""
_SURE = 0.2
"""Seconds for which that is tried again where it does not seem to: others may have had the processor meanwhile."""
_GAIN = 0.95
"""Part of the time of single runs that a joined one may take, to be worth it."""
_FREE_SIZES = (8, 1, 32, 224)

Answer = Union[Dict[str, np.ndarray], List[Any]]


class WarmUp(NamedTuple):
    """``seconds`` of one prediction of one row, 0 where none could be made; then ``error`` says why. ``free`` is what
    stood for sizes that the contract leaves free.
    """

    seconds: float = 0.0
    error: Optional[Exception] = None
    free: int = 0


def warm_up(pipeline: Pipeline) -> WarmUp:
    """Predict on made-up inputs; put what the answers show into the pipeline's contract.

    A failure is told and not raised: a handler may refuse what was made up, and be right.
    """
    error: Optional[Exception] = None
    for free in _FREE_SIZES:
        try:
            if _inputs(pipeline, 1, free) is None:
                return WarmUp()
            seconds, answer = _run(pipeline, free)
        except Exception as failure:  # noqa: BLE001  # the model or the handler may raise anything
            error = error or failure
            continue
        _try_rows(pipeline, free, answer)
        if pipeline.batchable and seconds > _WORTH_TRYING and _is_apart(pipeline, free, seconds):
            pipeline.batchable = False  # joined, all would wait for the last, and none would be done earlier
        return WarmUp(seconds, free=free)
    return WarmUp(error=error)


def measure(pipeline: Pipeline, first: WarmUp, pace: Pace, objective: float, most: int) -> None:
    """Learn how long larger runs take, each twice the one before, as long as they keep a latency objective: the first
    who ask are to be answered in time already.
    """
    if not first.seconds:
        return
    if first.seconds > objective:
        logger.warning("one prediction takes %.3g s, and MBUILD_SLO is %.3g s", first.seconds, objective)
    rows, began = 2, perf_counter()
    while pipeline.batchable and rows <= most and perf_counter() - began < _MEASURING:
        try:
            seconds = min(_timed(pipeline, rows, first.free) for _ in range(2))
        except Exception:  # noqa: BLE001  # so many rows do not work, and requests will be told
            return
        pace.observe(rows, seconds)
        if seconds > objective:
            return
        rows *= 2


def _timed(pipeline: Pipeline, rows: int, free: int) -> float:
    inputs = _inputs(pipeline, rows, free)
    began = perf_counter()
    pipeline.run(inputs)
    return perf_counter() - began


def learn(contract: Contract, answer: Answer) -> Contract:
    """The contract with outputs as an answer shows them. What a signature says of labels and sizes is kept where the
    answer agrees.
    """
    if isinstance(answer, list):
        if (
            contract.outputs
        ):  # the handler's annotation says it: one answer shows less, an integer where numbers may come
            return contract
        answer = _by_name(answer)
    known = {spec.name: spec for spec in contract.outputs}
    free = any(-1 in (spec.shape[1:] if contract.batched else spec.shape) for spec in contract.inputs)
    outputs = tuple(_spec(name, array, known.get(name), contract.batched, free) for name, array in answer.items())
    return msgspec.structs.replace(contract, outputs=outputs)


def _is_apart(pipeline: Pipeline, free: int, seconds: float) -> bool:
    """Whether several rows take as long in one run as one after the other; tried where that is soon done. Some networks
    are slower so, for what they make of many rows does not fit into the processor's caches.
    """
    if getattr(pipeline, "one_at_a_time", False):
        return True
    if seconds > _SOON:
        return False
    together, began = math.inf, perf_counter()
    while True:
        for _ in range(REPEATS):
            seconds = min(seconds, _timed(pipeline, 1, free))
            together = min(together, _timed(pipeline, ROWS, free))
        if together <= _GAIN * ROWS * seconds:
            return False
        if perf_counter() - began > _SURE:
            return True


def _run(pipeline: Pipeline, free: int) -> Tuple[float, Answer]:
    seconds = []
    for _ in range(REPEATS):
        inputs = _inputs(pipeline, 1, free)  # anew: a handler may change what it is given
        began = perf_counter()
        answer = pipeline.run(inputs)
        seconds.append(perf_counter() - began)
    pipeline.contract = learn(pipeline.contract, answer)
    return min(seconds), answer


def _try_rows(pipeline: Pipeline, free: int, alone: Answer) -> None:
    """A free leading size need not count rows. Requests may be joined only where a row's answer is its own: one entry a
    row, and the same whether the row comes alone or with others.
    """
    if not pipeline.batchable:
        return
    try:
        inputs = _inputs(pipeline, ROWS, free)
        answer = pipeline.run(inputs)
    except Exception:  # noqa: BLE001  # whatever it is, several rows do not work
        pipeline.batchable = False
        return
    if isinstance(answer, dict) and any(array.shape[:1] != (ROWS,) for array in answer.values()):
        pipeline.batchable = False
        pipeline.contract = msgspec.structs.replace(pipeline.contract, batched=False)
    elif not _same(alone, answer):
        logger.info("a row's answer hangs on the other rows of its batch: requests are not joined")
        pipeline.batchable = False


def _same(alone: Answer, together: Answer) -> bool:
    """Whether each of several equal rows got the answer of one such row."""
    one = alone if isinstance(alone, dict) else _by_name(alone)
    many = together if isinstance(together, dict) else _by_name(together)
    return one.keys() == many.keys() and all(_equal(one[name], many[name]) for name in one)


def _equal(one: np.ndarray, many: np.ndarray) -> bool:
    if one.shape[1:] != many.shape[1:]:
        return False
    if one.dtype.kind == "f" and many.dtype.kind == "f":
        return bool(np.allclose(many, one, rtol=1e-2, atol=1e-3, equal_nan=True))
    if one.dtype.kind == "O":  # there may be numbers inside
        return not differs(many.tolist(), one.tolist() * len(many), tolerance=1e-2)
    return bool(many.tolist() == one.tolist() * len(many))


def _inputs(pipeline: Pipeline, rows: int, free: int) -> Any:
    if not pipeline.contract.inputs:
        return None
    if pipeline.wants == "columns":
        return sample_columns(pipeline.contract, rows, free)
    if pipeline.wants == "rows":
        return pipeline.convert(sample_rows(pipeline.contract, rows, free))
    return None


def _by_name(rows: List[Any]) -> Dict[str, np.ndarray]:
    if rows and all(isinstance(row, dict) for row in rows):
        return {str(name): _array([row.get(name) for row in rows]) for name in rows[0]}
    return {"output": _array(rows)}


def _array(values: List[Any]) -> np.ndarray:
    try:
        array = np.array(values)
    except ValueError:
        array = np.empty(len(values), object)
        array[:] = values
    return array


def _spec(name: str, array: np.ndarray, known: Optional[TensorSpec], batched: bool, free: bool) -> TensorSpec:
    """A size that a signature leaves free stays free, and so do all where an input's are; otherwise the answer's own
    sizes hold, but for the rows.
    """
    datatype = DATATYPES.get(array.dtype, "BYTES")
    inner: Tuple[int, ...] = tuple(-1 for _ in array.shape[1:]) if free else array.shape[1:]
    shape = ((-1,) if batched else array.shape[:1]) + inner
    if known is not None and known.datatype == datatype and len(known.shape) == array.ndim:
        shape = tuple(-1 if declared < 0 else size for declared, size in zip(known.shape, array.shape))
    if known is None:
        return TensorSpec(name, datatype, shape)
    return TensorSpec(name, datatype, shape, known.optional, known.labels)
