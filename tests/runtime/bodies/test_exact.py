"""The short way may only take what the long way takes, and must make the same of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelbuild_runtime.bodies import exact
from modelbuild_runtime.bodies.natural_json import NaturalJson
from modelbuild_runtime.bodies.scoring_body import ScoringBody
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.request import Packed, Request
from modelbuild_runtime.signature import TensorSpec


class Echo:
    wants = "columns"
    batchable = True

    def __init__(self, datatype):
        self.contract = Contract((TensorSpec("x", datatype, (-1, 2)),), (TensorSpec("y", datatype, (-1, 2)),))

    def run(self, inputs, _parameters=None):
        return {"y": inputs["x"]}


class Job:
    cancelled = False
    deadline = 0.0
    id = "1"

    def __init__(self, payload):
        self.request = Request(payload)


def answered(pipeline, question):
    """What the model is given, for a question that was read."""
    dataplane, job = Dataplane(pipeline), Job(question.payload)
    dataplane.prepare(job)
    (outcome,) = dataplane.run([job])
    return outcome if isinstance(outcome, ServerError) else (question.form, outcome.columns["y"].tolist())


numbers = st.one_of(st.floats(), st.integers(-(10**40), 10**40), st.booleans(), st.none(), st.text(max_size=2))
lists = st.lists(st.one_of(numbers, st.lists(numbers, max_size=3)), max_size=3)
values = st.one_of(lists, st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2), max_size=3))
bodies = st.one_of(values, st.fixed_dictionaries({"instances": values}, optional={"parameters": st.just({"a": 1})}))


@given(bodies, st.sampled_from(["FP16", "FP32", "FP64"]))
@example([[1e300, 2]], "FP32")
@example([[65520, 2]], "FP16")
@example([[10**39, 2]], "FP32")
@example({"instances": [[10**400, 2]]}, "FP64")
@example({"instances": [[1, 2]], "instances ": []}, "FP32")
def test_both_ways_say_the_same(value, datatype):
    body, pipeline = json.dumps(value).encode(), Echo(datatype)
    found = exact.reader(pipeline.contract)(body)
    if found is None:
        return
    natural = NaturalJson(pipeline.contract)
    short, long = answered(pipeline, found), answered(pipeline, natural.question(natural.value(body)))
    if isinstance(short, ServerError):
        assert isinstance(long, ServerError)
        assert str(short) == str(long)
    else:
        np.testing.assert_equal(short, long)


@given(bodies, st.sampled_from(["FP16", "FP32", "FP64"]))
@example({"instances": [[1, 2.5], [3, 4]]}, "FP32")
@example({"instances": [[1, 2]], "parameters": {}}, "FP32")
def test_both_ways_of_mlflow_s_bodies_say_the_same(value, datatype):
    body, pipeline = json.dumps(value).encode(), Echo(datatype)
    reader = ScoringBody(pipeline.contract)
    found = reader._exact(body)
    if found is None:
        return
    reader._exact = lambda _: None
    short, long = answered(pipeline, found), answered(pipeline, reader.read(body))
    if isinstance(short, ServerError):
        assert str(short) == str(long)
    else:
        np.testing.assert_equal(short, long)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"instances": [[1, 2.5]]}, "instances"),
        ([[1, 2], [3, 4]], "rows"),
        ({"instances": [[1e-9, -0.0]]}, "instances"),
    ],
)
def test_what_most_clients_send_takes_the_short_way(value, form):
    question = exact.reader(Echo("FP32").contract)(json.dumps(value).encode())
    assert isinstance(question.payload, Packed)
    assert question.form == form


@pytest.mark.parametrize(
    "body",
    [b"", b"[[", b"[[1, 2]", b"[[1, 2]]x", b"[[1,2],[3]]", b'{"instances":[]}', b"[[]]", b'[["1",2]]', b"[[null,2]]",
     b'{"instances":[[1,2]],"parameters":{}}', b"[1,2]", b'{"x":[1,2]}', b"[[NaN,2]]", b'{"instances":[[1,2]]\xff}',
     b"[[1e39,2]]", b"[[1,2],[3,1e39]]"],
)  # fmt: skip
def test_all_else_is_left_to_the_long_way(body):
    assert exact.reader(Echo("FP32").contract)(body) is None


@pytest.mark.parametrize(
    "contract",
    [
        Contract(()),
        Contract((TensorSpec("x", "FP32", (-1, 2)),), open=True),
        Contract((TensorSpec("x", "FP32", (-1, 2)),), batched=False),
        Contract((TensorSpec("x", "FP32", (-1, 2)),), record={"type": "object"}),
        Contract((TensorSpec("x", "FP32", (-1, -1)),)),
        Contract((TensorSpec("x", "FP32", (-1, 2, 2)),)),
        Contract((TensorSpec("x", "INT64", (-1, 2)),)),
        Contract((TensorSpec("x", "FP32", (-1, 2), optional=True),)),
        Contract((TensorSpec("x", "FP32", (-1, 2)), TensorSpec("z", "FP32", (-1, 2)))),
    ],
)
def test_other_contracts_have_no_short_way(contract):
    assert exact.reader(contract)(b"[[1,2]]") is None


def test_an_input_may_be_called_instances():
    contract = Contract((TensorSpec("instances", "FP32", (-1, 2)),))
    assert exact.reader(contract)(b'{"instances":[[1,2]]}') is None
