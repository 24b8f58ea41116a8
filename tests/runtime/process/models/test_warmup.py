"""Warm-up: what the first predictions show."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.process.models.warmup import REPEATS, ROWS, learn, warm_up
from modelbuild_runtime.signature import TensorSpec
from runtime.fakes import FakePipeline
from runtime.graphs import pipeline, save, tensor


def test_rows_may_be_joined(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path)

    first = warm_up(pipe)

    assert first.seconds > 0
    assert first.error is None
    assert pipe.batchable
    assert pipe.contract.outputs == (TensorSpec("y", "FP32", (-1, 2)),)


class Sleeping(FakePipeline):
    """A run takes a time of its own, and one for each row."""

    def __init__(self, run: float, row: float) -> None:
        super().__init__()
        self.times = run, row

    def run(self, inputs: Any, parameters: Any = None) -> Any:
        run, row = self.times
        time.sleep(run + row * len(inputs["x"]))
        return super().run(inputs)


@pytest.mark.parametrize(
    "run, row, joined", [(0.0, 0.01, False), (0.006, 0.004, True), (0.0, 0.0, True), (0.0, 0.0002, True)]
)
def test_rows_that_take_as_long_together_as_one_after_the_other_are_not_joined(
    run: float, row: float, joined: bool
) -> None:
    pipe = Sleeping(run, row)
    warm_up(pipe)
    assert pipe.batchable is joined


def test_a_processor_that_others_use_for_a_moment_does_not_keep_rows_apart() -> None:
    class Disturbed(Sleeping):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            if len(inputs["x"]) == ROWS and sum(rows == ROWS for rows in self.runs) < 5:
                time.sleep(0.02)
            return super().run(inputs, parameters)

    pipe = Disturbed(0.006, 0.0)
    warm_up(pipe)
    assert pipe.batchable


def test_whether_it_is_worth_to_join_what_takes_long_is_not_tried() -> None:
    pipe = Sleeping(0.0, 0.06)
    warm_up(pipe)
    assert pipe.batchable
    assert sum(pipe.runs) == REPEATS + ROWS


def test_a_leading_size_that_does_not_count_rows(tmp_path: Path) -> None:
    def mean(path: Path) -> None:
        save(
            path,
            [helper.make_node("ReduceMean", ["x"], ["y"], axes=[0], keepdims=0)],
            [tensor("x", TensorProto.FLOAT, "samples")],
            [tensor("y", TensorProto.FLOAT)],
        )

    pipe = pipeline(tmp_path, model=mean)
    assert pipe.batchable

    warm_up(pipe)

    assert not pipe.batchable
    assert not pipe.contract.batched


def test_answers_that_hang_on_other_rows_are_not_joined(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path, "def postprocess(outputs): return {'share': outputs['y'] / outputs['y'].sum(axis=0)}\n")
    assert pipe.batchable

    warm_up(pipe)

    assert not pipe.batchable
    assert pipe.contract.batched


def test_what_an_annotation_promises_holds(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
import msgspec

class Verdict(msgspec.Struct):
    score: float
    why: str | None = None

def postprocess(outputs) -> list[Verdict]:
    return [Verdict(0) for _ in outputs["y"]]
""",
    )

    warm_up(pipe)

    assert pipe.contract.outputs == (
        TensorSpec("score", "FP64", (-1,)),
        TensorSpec("why", "BYTES", (-1,), optional=True),
    )


def test_answers_of_a_handler_are_learnt(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from dataclasses import dataclass

@dataclass
class Row:
    a: float

def preprocess(row: Row):
    return [row.a, 1.0]

def postprocess(outputs):
    return {"score": float(outputs["y"].sum()), "why": "because", "parts": [1, 2, 3], "known": True}
""",
    )

    warm_up(pipe)

    assert pipe.contract.outputs == (
        TensorSpec("score", "FP64", (-1,)),
        TensorSpec("why", "BYTES", (-1,)),
        TensorSpec("parts", "INT64", (-1, 3)),
        TensorSpec("known", "BOOL", (-1,)),
    )


def test_a_handler_that_refuses_what_is_made_up(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from dataclasses import dataclass

@dataclass
class Row:
    a: float

def preprocess(row: Row):
    raise ValueError("never seen")
""",
    )

    first = warm_up(pipe)

    assert (first.seconds, str(first.error)) == (0.0, "never seen")


def test_open_contracts_are_left_alone(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path, "def preprocess(inputs): return inputs\n")

    assert warm_up(pipe) == (0.0, None, 0)


def test_free_sizes_are_tried_until_one_fits() -> None:
    class Picky(FakePipeline):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            if inputs["x"].shape[1] != 32:
                raise ValueError("32 or nothing")
            return {"y": inputs["x"][:, 0]}

    assert warm_up(Picky(Contract((TensorSpec("x", "FP32", (-1, -1)),)))).error is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "answer", "learnt"),
    [
        ((-1, 3), (), np.zeros((1, 4)), TensorSpec("y", "FP64", (-1, 4))),
        ((-1, -1), (), np.zeros((1, 4)), TensorSpec("y", "FP64", (-1, -1))),
        (
            (-1, 3),
            ((-1, -1), ("a", "b")),
            np.zeros((1, 2), np.float32),
            TensorSpec("y", "FP32", (-1, -1), labels=("a", "b")),
        ),
        ((-1, 3), ((-1,), ()), np.zeros((1, 1), np.float32), TensorSpec("y", "FP32", (-1, 1))),
    ],
    ids=["unknown", "free input", "as declared", "declared wrongly"],
)
def test_what_an_answer_teaches(inputs: tuple[int, ...], outputs: Any, answer: np.ndarray, learnt: TensorSpec) -> None:
    known = (TensorSpec("y", "FP32", outputs[0], labels=outputs[1]),) if outputs else ()

    assert learn(Contract((TensorSpec("x", "FP32", inputs),), known), {"y": answer}).outputs == (learnt,)


def test_outputs_that_may_be_missing_still_may() -> None:
    known = (TensorSpec("y", "FP32", (-1,), optional=True),)
    assert learn(Contract(outputs=known), {"y": np.zeros(1, np.float32)}).outputs == known


def test_items_that_are_no_objects() -> None:
    assert learn(Contract(), ["a", "b"]).outputs == (TensorSpec("output", "BYTES", (-1,)),)
    assert learn(Contract(), [[1], [1, 2]]).outputs == (TensorSpec("output", "BYTES", (-1,)),)


def test_a_handler_that_changes_its_records_is_still_joined(tmp_path: Path) -> None:
    source = """
from dataclasses import dataclass

@dataclass
class Row:
    a: float

def preprocess(row: Row):
    row.a *= 2
    return [row.a, 1.0]
"""
    pipe = pipeline(tmp_path, source)

    warm_up(pipe)

    assert pipe.batchable
