"""Models that were exported for a fixed number of rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.job import ALONE
from modelbuild_runtime.fixed_rows import FixedRows, fixed_size, rows_are_apart
from modelbuild_runtime.pipeline import ModelPipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.request import Columns, Request, Response, Rows
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import Tensor
from runtime.graphs import pipeline, save, tensor


def doubled(*shape: Any) -> Any:
    """A graph that doubles ``x`` of one shape."""

    def make(path: Any) -> Any:
        two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
        return save(
            path,
            [helper.make_node("Mul", ["x", "two"], ["y"])],
            [tensor("x", TensorProto.FLOAT, *shape)],
            [tensor("y", TensorProto.FLOAT, *shape)],
            [two],
        )

    return make


def softmax_over_rows(path: Any) -> Any:
    """Each row's answer hangs on all rows."""
    return save(
        path,
        [helper.make_node("Softmax", ["x"], ["y"], axis=0)],
        [tensor("x", TensorProto.FLOAT, 4, 2)],
        [tensor("y", TensorProto.FLOAT, 4, 2)],
    )


def transposed(path: Any) -> Any:
    return save(
        path,
        [helper.make_node("Transpose", ["x"], ["y"])],
        [tensor("x", TensorProto.FLOAT, 3, 3)],
        [tensor("y", TensorProto.FLOAT, 3, 3)],
    )


def job(payload: Any) -> Any:
    return SimpleNamespace(
        id="a", trace=None, request=Request(payload), again=lambda: Request(payload), cancelled=False, deadline=0.0
    )


def answers(dataplane: Dataplane, *payloads: Any) -> list[Any]:
    """What each of several joined requests gets."""
    jobs = [job(payload) for payload in payloads]
    for one in jobs:
        dataplane.prepare(one)
    outcomes = dataplane.run(jobs)
    assert all(isinstance(outcome, Response) for outcome in outcomes), outcomes
    return [outcome.columns["y"].tolist() for outcome in outcomes]


@pytest.mark.parametrize("size", [1, 4])
def test_any_number_of_rows_is_answered_alone_and_joined(tmp_path, size):
    pipe = pipeline(tmp_path, model=doubled(size, 2))
    warm_up(pipe)
    assert pipe.contract.batched
    assert pipe.batchable
    assert [spec.shape for spec in (*pipe.contract.inputs, *pipe.contract.outputs)] == [(-1, 2), (-1, 2)]
    dataplane = Dataplane(pipe)
    for count in (1, 3, 4, 9):
        rows = [[float(i), 0.5] for i in range(count)]
        (answer,) = answers(dataplane, Rows(rows))
        assert answer == [[2 * i, 1.0] for i in range(count)]
    one, two, three = answers(
        dataplane,
        Rows([[1.0, 2.0]]),
        Columns({"x": Tensor("FP32", (5, 2), [float(i) for i in range(10)])}),
        Rows([{"x": [7.0, 8.0]}]),
    )
    assert one == [[2, 4]]
    assert two == [[4.0 * i, 4.0 * i + 2] for i in range(5)]
    assert three == [[14, 16]]


HANDLERS = {
    "by record": """
from dataclasses import dataclass

@dataclass
class Point:
    a: float
    b: float

def preprocess(point: Point):
    return [point.a, point.b]
""",
    "by batch": """
import numpy as np

def preprocess(inputs: dict[str, np.ndarray]):
    return {"x": np.stack([inputs["a"], inputs["b"]], 1).astype("float32")}
""",
    "behind the model": """
def postprocess(outputs):
    return [{"y": row.tolist()} for row in outputs["y"]]
""",
}


@pytest.mark.parametrize("handler", HANDLERS)
def test_with_a_handler_around_it(tmp_path, handler):
    pipe = pipeline(tmp_path, HANDLERS[handler], model=doubled(4, 2))
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
    if handler != "behind the model":
        rows = [{"a": a, "b": b} for a, b in rows]
    dataplane = Dataplane(pipe)
    assert pipe.contract.batched
    assert pipe.batchable
    jobs = [job(Rows(rows[:1])), job(Rows(rows[1:]))]
    for one in jobs:
        dataplane.prepare(one)
    first, others = dataplane.run(jobs)
    if first.columns is not None:
        first, others = (answer.columns["y"].tolist() for answer in (first, others))
    else:
        first, others = ([row["y"] for row in answer.rows] for answer in (first, others))
    assert first == [[2, 4]]
    assert others == [[6, 8], [10, 12], [14, 16], [18, 20]]


def test_a_handler_that_calls_the_model_by_itself_gets_it_as_it_is(tmp_path):
    source = """
def predict(model, inputs):
    return model.run(None, inputs)[0]
"""
    pipe = pipeline(tmp_path, source, model=doubled(4, 2))
    assert not pipe.contract.batched
    assert pipe.contract.inputs[0].shape == (4, 2)


def test_a_batch_is_as_many_runs_as_it_takes(tmp_path):
    seen: list[int] = []

    def predict(inputs: Any) -> Any:
        seen.append(len(inputs["x"]))
        return {"y": inputs["x"] + 1}

    many = FixedRows(predict, 4)
    assert many({"x": np.arange(10)})["y"].tolist() == list(range(1, 11))
    assert seen == [4, 4, 4]


@pytest.mark.parametrize("make", [softmax_over_rows, transposed])
def test_a_leading_axis_that_counts_no_rows_is_left_alone(tmp_path, make):
    pipe = pipeline(tmp_path, model=make)
    warm_up(pipe)
    assert not pipe.contract.batched
    assert not pipe.batchable
    assert all(spec.shape[0] > 0 for spec in pipe.contract.inputs)


def test_a_slow_model_of_one_row_is_not_joined_but_takes_many(monkeypatch):
    specs = (TensorSpec("x", "FP32", (1, 2)),), (TensorSpec("y", "FP32", (1, 2)),)
    engine = SimpleNamespace(predict=lambda inputs: {"y": inputs["x"] * 2}, batched=False)
    pipe = ModelPipeline(engine, Signature(*specs))
    monkeypatch.setattr("modelbuild_runtime.process.models.warmup._WORTH_TRYING", -1.0)
    warm_up(pipe)
    assert not pipe.batchable
    dataplane = Dataplane(pipe)
    dataplane.prepare(one := job(Rows([[1, 2], [3, 4]])))
    assert one.key is ALONE
    assert dataplane.run([one])[0].columns["y"].tolist() == [[2, 4], [6, 8]]


@pytest.mark.parametrize(
    ("inputs", "outputs", "size"),
    [
        ([(1, 3)], [(1, 2)], 1),
        ([(1, 3), (1,)], [(1, 2)], 1),
        ([(8, 3)], [(8,)], 8),
        ([(1, 3)], [(-1, 7)], 0),  # as many answers as it likes
        ([(1, 3)], [(3, 1)], 0),
        ([(1, 3), (2, 3)], [(1,)], 0),
        ([(1, 3)], [()], 0),
        ([()], [(1,)], 0),
        ([(1000, 3)], [(1000, 3)], 0),
        ([(1, 3)], [], 0),
    ],
)
def test_which_size_counts_rows(inputs, outputs, size):
    signature = Signature(
        tuple(TensorSpec(f"i{at}", "FP32", shape) for at, shape in enumerate(inputs)),
        tuple(TensorSpec(f"o{at}", "FP32", shape) for at, shape in enumerate(outputs)),
    )
    assert fixed_size(signature) == size


def test_a_model_that_answers_another_number_of_rows_is_an_error_and_no_answer():
    with pytest.raises(RuntimeError, match="output 'y'"):
        FixedRows(lambda inputs: {"y": np.zeros((2, 2))}, 1)({"x": np.zeros((1, 2))})


@pytest.mark.parametrize(
    "predict",
    [
        lambda inputs: {"y": inputs["x"] - inputs["x"].mean(axis=0)},
        lambda inputs: {"y": np.full((4, 2), inputs["x"][0, 0])},
        lambda inputs: {"y": inputs["x"][::-1]},
        lambda inputs: {"y": np.cumsum(inputs["x"], axis=0)},
        lambda inputs: {"y": np.zeros((4, 2))},
        lambda inputs: 1 / 0,
    ],
)
def test_rows_that_are_not_apart_are_found_out(predict):
    signature = Signature((TensorSpec("x", "FP32", (4, 2)),), (TensorSpec("y", "FP32", (4, 2)),))
    assert not rows_are_apart(predict, signature, 4)
