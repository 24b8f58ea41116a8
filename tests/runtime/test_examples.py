from __future__ import annotations

from typing import Any

import pytest

from modelbuild_runtime import examples
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.manifest import Example
from modelbuild_runtime.signature import TensorSpec
from runtime.contracts import MIXED, OPEN, RECORD, TENSOR, TEXT, WHOLE


class Service:
    takes_raw = False

    def __init__(self, contract: Contract, *requests: Any) -> None:
        self.contract = contract
        self._requests = requests

    def examples(self) -> list[Example]:
        return [Example(request) for request in self._requests]


@pytest.mark.parametrize(
    ("contract", "body", "row"),
    [
        (RECORD, {"age": 40, "job": "cook"}, {"age": 40, "job": "cook"}),
        (RECORD, [{"age": 40, "job": "cook"}, {"age": 1, "job": "x"}], {"age": 40, "job": "cook"}),
        (RECORD, {"instances": [{"age": 40, "job": "cook"}]}, {"age": 40, "job": "cook"}),
        (RECORD, {"inputs": {"age": [40], "job": ["cook"]}}, {"age": 40, "job": "cook"}),
        (MIXED, [[[1, 2], 3]], {"v": [1, 2], "n": 3}),
        (TENSOR, [[1, 2, 3]], {"x": [1, 2, 3]}),
        (TENSOR, [1, 2, 3], {"x": [1, 2, 3]}),
        (TENSOR, {"inputs": [[1, 2, 3]]}, {}),
        (WHOLE, {"inputs": {"m": [[1, 2], [3, 4]]}}, {"m": [[1, 2], [3, 4]]}),
        (TENSOR, {"data": [[1, 2, 3]]}, {}),
        (OPEN, {"x": 1}, {}),
    ],
)
def test_the_first_row_of_an_example_by_name(contract, body, row):
    assert examples.row(Service(contract, body)) == row


def test_the_first_example_that_has_a_row_counts_and_large_ones_do_not():
    large = {"text": "x" * examples.MOST}
    service = Service(TEXT, large, {"text": "a"}, {"text": "b"})
    assert [example["value"] for example in examples.bodies(service).values()] == [{"text": "a"}, {"text": "b"}]
    assert examples.row(service) == {"text": "a"}


def test_a_handler_that_reads_by_itself_has_none():
    service = Service(TEXT, {"text": "a"})
    service.takes_raw = True
    assert examples.row(service) == {}


def test_tensors_of_an_example():
    assert examples.tensors(Service(MIXED, {"v": [1, 2], "n": 3})) == [
        {"name": "v", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
        {"name": "n", "shape": [1], "datatype": "INT32", "data": [3]},
    ]
    (whole,) = examples.tensors(Service(WHOLE, {"m": [[1, 2], [3, 4]]}))
    assert whole == {"name": "m", "shape": [2, 2], "datatype": "INT32", "data": [1, 2, 3, 4]}


def test_what_is_not_given_is_no_tensor_and_bytes_cannot_be_one():
    names = [tensor["name"] for tensor in examples.tensors(Service(RECORD, {"age": 40, "job": "cook"}))]
    assert names == ["age", "job"]
    assert examples.tensors(Service(TEXT, {"text": {"b64": "AA=="}})) == []


def test_a_row_of_another_rank_is_no_tensor():
    contract = Contract((TensorSpec("x", "FP32", (-1, 1)),))
    assert examples.tensors(Service(contract, {"x": 1})) == []


@pytest.mark.parametrize(
    ("contract", "body"),
    [
        (RECORD, {"age": "much", "job": "cook"}),
        (RECORD, {"age": 1.5, "job": "cook"}),
        (RECORD, {"age": 1 << 70, "job": "cook"}),
        (RECORD, {"age": {"deep": []}, "job": "cook"}),
        (RECORD, {"job": "cook"}),
        (TENSOR, {"x": [1, 2]}),
        (TENSOR, {"x": [1, "a", 3]}),
        (TENSOR, {"x": [[1], [2, 3]]}),
        (TENSOR, []),
        (RECORD, {"instances": []}),
        (RECORD, {"inputs": {"age": [], "job": []}}),
    ],
)
def test_an_example_that_the_model_would_refuse_is_in_no_other_protocol_s_words(contract, body):
    assert examples.row(Service(contract, body)) == {}
    assert examples.tensors(Service(contract, body)) == []
