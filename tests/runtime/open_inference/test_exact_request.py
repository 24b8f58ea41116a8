"""The short way may only take what the long way takes, and must make the same of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import ServerError
from modelbuild_runtime.http.message import HttpRequest
from modelbuild_runtime.open_inference.inference import Inference
from modelbuild_runtime.request import Packed
from modelbuild_runtime.settings import Settings
from modelbuild_runtime.signature import TensorSpec

NUMBERS = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2.5]}
RAW = {"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}}
SIXTEEN = np.array([[1, 2], [np.nan, 4]], np.float32).tobytes()


class Echo:
    wants = "columns"
    batchable = True

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def run(self, inputs, _parameters=None):
        return {"y": inputs["x"]}


def pipeline(datatype: str = "FP32", **more: Any) -> Echo:
    return Echo(Contract((TensorSpec("x", datatype, (-1, 2)),), (TensorSpec("y", datatype, (-1, 2)),), **more))


def inference(model: Echo) -> Any:
    service: Any = SimpleNamespace(
        settings=Settings(), contract=model.contract, model_name="m", model_version="1", takes_raw=False
    )
    return Inference(service)


def asked(body: bytes, length: bytes | None = None) -> HttpRequest:
    headers = {} if length is None else {b"inference-header-content-length": length}
    return HttpRequest("POST", "/v2/models/m/infer", "", headers, body, {}, "7", 5.0)


def with_raw(value: Any, raw: bytes = SIXTEEN) -> HttpRequest:
    text = json.dumps(value).encode()
    return asked(text + raw, b"%d" % len(text))


def said(model: Echo, read: Any, http: HttpRequest) -> Any:
    """What the client gets, and what the model was told beside its numbers."""
    try:
        request = read.decode(http)
        job: Any = SimpleNamespace(request=request, cancelled=False, deadline=0.0, id="1", trace=None)
        dataplane = Dataplane(model)  # type: ignore[arg-type]
        dataplane.prepare(job)
        (outcome,) = dataplane.run([job])
    except ServerError as error:
        outcome = error
    if isinstance(outcome, ServerError):
        return type(outcome), str(outcome)
    answer = read.encode(http, request, outcome)
    return answer.body, answer.headers, request.id, request.parameters, request.outputs, request.deadline


def same(model: Echo, http: HttpRequest, *before: HttpRequest) -> Any:
    """The answer, whichever way is taken; that of a reader that has read others ``before``."""
    short, long = inference(model), inference(model)
    long._exact = SimpleNamespace(read=lambda _: None, read_raw=lambda *_: None, remember=lambda *_: None)
    for one in before:
        said(model, short, one)
    found = said(model, short, http)
    assert found == said(model, long, http)
    return found


def is_short(read: Any, http: HttpRequest) -> bool:
    return isinstance(read.decode(http).payload, Packed)


numbers = st.one_of(st.floats(), st.floats(width=32), st.integers(-(10**40), 10**40), st.booleans(), st.none())
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "x", "z"]),
        "datatype": st.sampled_from(["FP32", "FP64", "FP16", "INT64"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3) | st.just([1, 2]) | st.just([2, 2]),
        "data": st.lists(numbers, max_size=5) | st.lists(st.floats(-9, 9), min_size=2, max_size=4),
    },
    optional={"parameters": st.just({}), "more": st.none()},
)
bodies = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=2) | st.just([NUMBERS])},
    optional={"id": st.text(max_size=2) | st.none(), "parameters": st.just({"a": 1}), "more": st.none()},
)


@given(bodies, st.sampled_from(["FP32", "FP64", "FP16"]))
@example({"inputs": [{**NUMBERS, "data": [1e39, 1]}]}, "FP32")
@example({"inputs": [{**NUMBERS, "data": [10**400, 1]}]}, "FP32")
@example({"inputs": [{**NUMBERS, "shape": [1.0, 2]}]}, "FP32")
@example({"inputs": [{**NUMBERS, "shape": [2, 2], "data": [1, 2, 3, 4]}], "id": "a"}, "FP32")
def test_both_ways_say_the_same(value, datatype):
    same(pipeline(datatype), asked(json.dumps(value).encode()))


@pytest.mark.parametrize("identity", [{}, {"id": ""}, {"id": "a"}])
@pytest.mark.parametrize("rows", [1, 3])
def test_what_most_clients_send_takes_the_short_way(identity, rows):
    tensor = {**NUMBERS, "shape": [rows, 2], "data": [1, 2.5] * rows}
    http = asked(json.dumps({**identity, "inputs": [tensor]}).encode())
    assert is_short(inference(pipeline()), http)
    assert json.loads(same(pipeline(), http)[0])["outputs"][0]["data"] == [1, 2.5] * rows


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"id": "a"},
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
        {"outputs": [{"name": "z"}]},
        {"parameters": {"strict_json": True}},
    ],
)
def test_json_before_raw_numbers_is_read_once(more):
    value, model = {"inputs": [RAW], **more}, pipeline()
    http, other = with_raw(value), with_raw(value, SIXTEEN[::-1])
    same(model, http, other)
    read = inference(model)
    assert [is_short(read, one) for one in (other, http)] == [False, True]


@pytest.mark.parametrize(
    "more", [{"parameters": {"a": [1]}}, {"parameters": {"timeout": 5}}, {"inputs": [{**RAW, "shape": [4, 1]}]}]
)
def test_json_that_says_more_is_read_again(more):
    http = with_raw({"inputs": [RAW], **more})
    same(pipeline(), http, http)
    read = inference(pipeline())
    assert not any([is_short(read, http), is_short(read, http)])


@pytest.mark.parametrize("raw", [SIXTEEN[:-4], SIXTEEN + b"1234", b""])
def test_another_number_of_bytes_is_refused_as_ever(raw):
    assert same(pipeline(), with_raw({"inputs": [RAW]}, raw), with_raw({"inputs": [RAW]}))[1]


@pytest.mark.parametrize("length", [b"%d", b" %d ", b"+%d", b"-%d", b"%d.0", b"000000%d", b"%d000000"])
def test_a_length_is_what_it_was(length):
    http = with_raw({"inputs": [RAW]})
    digits = int(http.headers[b"inference-header-content-length"])
    same(pipeline(), asked(http.body, length % digits), http)


@pytest.mark.parametrize(
    "contract",
    [
        Contract((TensorSpec("x", "FP32", (-1, 2)),), open=True),
        Contract((TensorSpec("x", "FP32", (2, 2)),), batched=False),
        Contract((TensorSpec("x", "FP32", (-1, -1)),)),
        Contract((TensorSpec("x", "INT64", (-1, 2)),)),
        Contract((TensorSpec("x", "FP32", (-1, 2)), TensorSpec("z", "FP32", (-1, 2)))),
    ],
)
def test_other_contracts_have_no_short_way(contract):
    read = inference(Echo(contract))
    assert not is_short(read, asked(json.dumps({"inputs": [NUMBERS]}).encode()))
    http = with_raw({"inputs": [RAW]})
    assert not any([is_short(read, http), is_short(read, http)])


def test_only_so_much_json_is_remembered():
    read = inference(pipeline())
    for at in range(1000):
        read.decode(with_raw({"inputs": [RAW], "id": f"{at}"}))
    assert len(read._exact._known) <= 64
    long = with_raw({"inputs": [RAW], "id": "a" * 2000})
    assert not any([is_short(read, long), is_short(read, long)])
