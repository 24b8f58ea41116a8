from __future__ import annotations

import asyncio
import copy
import logging
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.job import ALONE
from modelbuild_runtime.errors import InvalidInput, PredictionFailed, UnsupportedMediaType
from modelbuild_runtime.request import Columns, Raw, RawAnswer, Request, Response, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import Tensor
from runtime.fakes import CONTRACT, FakePipeline

OPEN = Contract(open=True)


def job(dataplane: Dataplane, payload: Any, **options: Any) -> Any:
    request = Request(payload, **options)
    sent = copy.deepcopy(request.payload)
    made = SimpleNamespace(id=f"id-{id(payload)}", trace=None, request=request, again=lambda: Request(sent, **options))
    made.cancelled, made.deadline = False, 0.0
    dataplane.prepare(made)
    return made


def rows(*items: list[float]) -> Rows:
    return Rows(list(items))


def sums(outcomes: list[Any]) -> list[Any]:
    return [o.columns["y"].tolist() if isinstance(o, Response) else type(o).__name__ for o in outcomes]


def test_each_gets_its_own_rows_of_one_run():
    pipeline = FakePipeline()
    dataplane = Dataplane(pipeline)
    jobs = [
        job(dataplane, rows([1, 0, 0])),
        job(dataplane, rows([2, 0, 0], [3, 0, 0])),
        job(dataplane, Columns({"x": Tensor("FP32", (1, 3), np.array([4, 0, 0], np.float32))})),
        job(dataplane, Columns({"x": Tensor("FP32", (1, 3), [5, 0, 0])})),
    ]
    assert sums(dataplane.run(jobs)) == [[1], [2, 3], [4], [5]]
    assert pipeline.runs == [5]


def test_many_jobs_of_many_sizes_never_mix_rows():
    rng = np.random.default_rng(0)
    dataplane = Dataplane(FakePipeline())
    sizes = rng.integers(1, 9, 200)
    values = [rng.integers(0, 600, (n, 3)).astype(float) for n in sizes]
    outcomes = dataplane.run([job(dataplane, Rows(v.tolist())) for v in values])
    for value, outcome in zip(values, outcomes, strict=True):
        assert outcome.count == len(value)
        assert outcome.columns["y"].tolist() == value.sum(axis=1).tolist()


def test_a_poisoned_request_fails_alone(caplog):
    pipeline = FakePipeline()
    dataplane = Dataplane(pipeline)
    jobs = [job(dataplane, rows([i, 0, 0])) for i in (1, 666, 3)]
    assert sums(dataplane.run(jobs)) == [[1], "PredictionFailed", [3]]
    assert pipeline.runs == [3, 1, 1, 1]


def test_a_failure_is_told_to_the_log_and_not_to_the_client(caplog):
    dataplane = Dataplane(FakePipeline())
    with caplog.at_level(logging.ERROR):
        (outcome,) = dataplane.run([job(dataplane, rows([666, 0, 0]))])
    assert isinstance(outcome, PredictionFailed)
    assert "secret" not in outcome.message
    assert "id-" in outcome.message
    (record,) = caplog.records
    assert "secret detail of the handler" in caplog.text
    assert "Traceback" in caplog.text
    assert record.request.startswith("id-")


@pytest.mark.parametrize(
    "error",
    [SystemExit(3), MemoryError(), KeyError("x"), asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt()],
)
def test_whatever_a_handler_raises_is_an_answer(error):
    pipeline = FakePipeline()
    pipeline.run = lambda inputs, parameters: (_ for _ in ()).throw(error)  # type: ignore[method-assign]
    dataplane = Dataplane(pipeline)
    outcomes = dataplane.run([job(dataplane, rows([1, 2, 3])) for _ in range(2)])
    assert [type(outcome) for outcome in outcomes] == [PredictionFailed, PredictionFailed]


@pytest.mark.parametrize("error", [ValueError("no"), InvalidInput("no")])
def test_a_second_run_does_not_see_what_the_first_did_to_the_rows(error):
    class Doubling(FakePipeline):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            for item in inputs:
                item["x"][0] *= 2
            if any(item["x"][0] < 0 for item in inputs):
                raise error
            return [item["x"] for item in inputs]

    dataplane = Dataplane(Doubling(Contract(open=True), "rows"))
    outcomes = dataplane.run([job(dataplane, rows({"x": [i]})) for i in (1, -1, 3)])
    assert outcomes[0].rows == [[2]]
    assert isinstance(outcomes[1], PredictionFailed if isinstance(error, ValueError) else InvalidInput)
    assert outcomes[2].rows == [[6]]


def test_values_of_the_wrong_type_are_left_out_of_the_batch():
    pipeline = FakePipeline()
    dataplane = Dataplane(pipeline)
    jobs = [job(dataplane, rows(row)) for row in ([1, 0, 0], ["a", 0, 0], [3, 0, 0], [4, 0, None])]
    outcomes = dataplane.run(jobs)
    assert isinstance(outcomes[1], InvalidInput)
    assert outcomes[1].field == "x"
    assert sums(outcomes)[::2] == [[1], [3]]
    assert np.isnan(outcomes[3].columns["y"]).all()
    assert pipeline.runs == [3]


def test_all_values_wrong():
    pipeline = FakePipeline()
    dataplane = Dataplane(pipeline)
    jobs = [job(dataplane, rows(["a", 0, 0])) for _ in range(3)]
    assert [type(outcome) for outcome in dataplane.run(jobs)] == [InvalidInput] * 3
    assert pipeline.runs == []


def test_a_complaint_of_the_handler_reaches_its_client_only():
    class Picky(FakePipeline):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            if (inputs["x"] < 0).any():
                raise InvalidInput("must not be negative", field="x")
            return super().run(inputs)

    dataplane = Dataplane(Picky())
    outcomes = dataplane.run([job(dataplane, rows([i, 0, 0])) for i in (1, -1, 3)])
    assert sums(outcomes) == [[1], "InvalidInput", [3]]
    assert outcomes[1].message == "must not be negative"


@pytest.mark.parametrize("wrong", [lambda x: x[:-1], lambda x: np.concatenate([x, x])])
def test_a_model_that_answers_another_number_of_rows_fails(wrong, caplog):
    class Wrong(FakePipeline):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            return {"y": wrong(inputs["x"])}

    dataplane = Dataplane(Wrong())
    outcomes = dataplane.run([job(dataplane, rows([1, 2, 3])), job(dataplane, rows([1, 2, 3]))])
    assert [type(outcome) for outcome in outcomes] == [PredictionFailed, PredictionFailed]
    assert "rows for" in caplog.text


def test_outputs_that_were_asked_for():
    class Two(FakePipeline):
        contract = Contract(CONTRACT.inputs, (TensorSpec("y", "FP32", (-1,)), TensorSpec("z", "FP32", (-1,))))

        def __init__(self) -> None:
            super().__init__(self.contract)

        def run(self, inputs: Any, parameters: Any = None) -> Any:
            return {"y": inputs["x"][:, 0], "z": inputs["x"][:, 1]}

    dataplane = Dataplane(Two())
    jobs = [job(dataplane, rows([1, 2, 3]), outputs=("z",)), job(dataplane, rows([4, 5, 6]))]
    first, second = dataplane.run(jobs)
    assert {name: array.tolist() for name, array in first.columns.items()} == {"z": [2]}
    assert set(second.columns) == {"y", "z"}
    with pytest.raises(InvalidInput, match="output 'w' is unknown; this model gives 'y', 'z'"):
        job(dataplane, rows([1, 2, 3]), outputs=("w",))


def test_outputs_of_an_unknown_contract_are_checked_when_they_are_there():
    dataplane = Dataplane(FakePipeline(Contract(CONTRACT.inputs)))
    (outcome,) = dataplane.run([job(dataplane, rows([1, 2, 3]), outputs=("w",))])
    assert isinstance(outcome, InvalidInput)


def test_only_equal_parameters_share_a_run():
    dataplane = Dataplane(FakePipeline())
    keys = [job(dataplane, rows([1, 2, 3]), parameters=p).key for p in (None, {}, {"a": 1}, {"a": 1}, {"a": 2})]
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert keys[0] != keys[2] != keys[4]


def test_parameters_that_are_equal_and_of_another_type_do_not_share_a_run():
    dataplane = Dataplane(FakePipeline())
    given = [{"k": k} for k in (1, True, 1.0, 0.0, -0.0, [1], [True], "1", None)]
    keys = [job(dataplane, rows([1, 2, 3]), parameters=p).key for p in given]
    assert len(set(keys)) == len(keys)


def test_a_pipeline_says_which_rows_may_be_joined():
    pipeline = FakePipeline(OPEN, "rows")
    pipeline.key = lambda records: tuple(records[0])  # type: ignore[attr-defined]
    dataplane = Dataplane(pipeline)
    assert [job(dataplane, rows({name: 1})).key for name in "ab"] == [("a",), ("b",)]


def test_what_is_not_batchable_runs_alone():
    contract = Contract((TensorSpec("x", "FP32", (2, 3)),), batched=False)
    pipeline = FakePipeline(contract)
    dataplane = Dataplane(pipeline)
    made = job(dataplane, Columns({"x": Tensor("FP32", (2, 3), [1, 2, 3, 4, 5, 6])}))
    assert made.key is ALONE
    (outcome,) = dataplane.run([made])
    assert (outcome.count, outcome.columns["y"].tolist()) == (1, [6, 15])


def test_rows_go_through_the_pipeline_s_own_conversion():
    class Typed(FakePipeline):
        def convert(self, items: list[Any]) -> list[Any]:
            if any("age" not in item for item in items):
                raise InvalidInput("age is missing", field="age")
            return [item["age"] for item in items]

    pipeline = Typed(Contract(), "rows")
    dataplane = Dataplane(pipeline)
    jobs = [job(dataplane, rows({"age": 1})), job(dataplane, rows({"age": 2}, {"age": 3}))]
    assert [outcome.rows for outcome in dataplane.run(jobs)] == [[{"got": 1}], [{"got": 2}, {"got": 3}]]
    assert pipeline.runs == [3]
    with pytest.raises(InvalidInput):
        job(dataplane, rows({}))
    with pytest.raises(InvalidInput, match="no row"):
        job(dataplane, rows())


def test_a_record_s_own_check_does_not_end_the_process():
    pipeline = FakePipeline(Contract(), "rows")
    pipeline.convert = lambda items: sys.exit(3)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="cannot be converted: SystemExit"):
        job(Dataplane(pipeline), rows({"a": 1}))


def test_tensors_become_rows_for_handlers_that_take_rows():
    specs = (TensorSpec("a", "INT64", (-1,)), TensorSpec("b", "BYTES", (-1,)))
    dataplane = Dataplane(FakePipeline(Contract(specs), "rows"))
    tensors = {"a": Tensor("INT64", (2,), [1, 2]), "b": Tensor("BYTES", (2,), ["x", "y"])}
    (outcome,) = dataplane.run([job(dataplane, Columns(tensors))])
    assert outcome.rows == [{"got": {"a": 1, "b": "x"}}, {"got": {"a": 2, "b": "y"}}]
    with pytest.raises(InvalidInput, match="missing"):
        job(dataplane, Columns({"a": tensors["a"]}))


def test_an_open_contract_takes_tensors_and_rows_by_any_name():
    dataplane = Dataplane(FakePipeline(OPEN))
    jobs = [
        job(dataplane, Columns({"x": Tensor("FP64", (1, 2), [1, 2])})),
        job(dataplane, rows({"x": [3, 4]})),
    ]
    assert [sums(dataplane.run([one])) for one in jobs] == [[[3]], [[7]]]


def test_raw_bodies_and_raw_answers():
    class RawPipeline(FakePipeline):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            return [
                RawAnswer(item.fields["body"] + b"!", "text/plain", status=201, headers=(("x-a", item.accept),))
                for item in inputs
            ]

    dataplane = Dataplane(RawPipeline(OPEN, "raw"))
    jobs = [job(dataplane, Raw({"body": body}, "text/plain"), accept="a/b") for body in (b"1", b"2")]
    one, two = dataplane.run(jobs)
    assert (one.raw, two.raw) == (b"1!", b"2!")
    assert (one.content_type, one.status, one.headers) == ("text/plain", 201, (("x-a", "a/b"),))
    with pytest.raises(UnsupportedMediaType):
        job(dataplane, rows([1]))
    with pytest.raises(UnsupportedMediaType):
        job(Dataplane(FakePipeline()), Raw({"body": b""}, "text/plain"))


def test_a_handler_that_answers_too_few_items_fails():
    class Few(FakePipeline):
        def run(self, inputs: Any, parameters: Any = None) -> Any:
            return inputs[:-1]

    dataplane = Dataplane(Few(Contract(), "rows"))
    outcomes = dataplane.run([job(dataplane, rows({"a": 1})), job(dataplane, rows({"a": 2}))])
    assert [type(outcome) for outcome in outcomes] == [PredictionFailed] * 2
