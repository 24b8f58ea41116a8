from __future__ import annotations

import json
from itertools import product

import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving import examples

CONTRACT = Contract(
    (
        TensorSpec("one", "FP32", (-1,)),
        TensorSpec("column", "INT64", (-1, 1)),
        TensorSpec("matrix", "FP64", (-1, 2, 2)),
        TensorSpec("flag", "BOOL", (-1,), optional=True),
        TensorSpec("text", "BYTES", (-1,), optional=True),
    )
)
EXAMPLE = {"one": 1.5, "column": [2], "matrix": [1.0, 2.0, 3.0, 4.0]}


def rows(document: dict, contract: Contract = CONTRACT) -> list:
    return examples.read(json.dumps(document).encode(), contract).items


def test_features_take_the_shape_of_a_row():
    assert rows({"examples": [EXAMPLE]}) == [{"one": 1.5, "column": [2], "matrix": [[1.0, 2.0], [3.0, 4.0]]}]


def test_a_feature_of_another_size_is_left_to_the_contract():
    assert rows({"examples": [{**EXAMPLE, "matrix": [1.0], "one": [1, 2]}]})[0]["matrix"] == [1.0]


def test_truth_values_and_bytes():
    (row,) = rows({"examples": [{**EXAMPLE, "flag": 1, "text": {"b64": "aGk="}, "column": True}]})
    assert (row["flag"], row["text"], row["column"]) == (True, b"hi", [1])


def test_the_context_is_every_example_s_but_their_own_comes_first():
    context = {"context": {**EXAMPLE, "text": "all"}, "examples": [{}, {"text": ["own"], "other": 1}]}
    assert [row["text"] for row in rows(context)] == ["all", "own"]


def test_an_open_contract_gets_the_features_as_they_are():
    assert rows({"examples": [{"a": [1, 2], "b": ["x"]}]}, Contract(open=True)) == [{"a": [1, 2], "b": "x"}]


@pytest.mark.parametrize(
    "example, message",
    [
        (3, "Example must be JSON object but got JSON Number"),
        ({"one": [1.0, 2]}, "Unexpected element type in feature: one expecting type: float"),
        ({"one": [1, "a"]}, "Unexpected element type in feature: one expecting type: int64"),
        ({"one": [[1]]}, "Feature: one has element with unexpected JSON type: Array"),
        ({"one": {"a": 1}}, "Feature: one has element with unexpected JSON type: Object"),
        ({"one": 1 << 63}, "Feature: one has uint64_t element. Only int64_t is supported."),
        ({"one": []}, "Feature: one (data type: float) is required but could not be found."),
    ],
)
def test_what_is_no_example(example, message):
    with pytest.raises(InvalidInput) as caught:
        rows({"examples": [example]})
    assert caught.value.message == message


VALUES = [1, 0, -3, 1.5, 2.0, True, None, "a", "", {"b64": "aGk="}, 1 << 63, -(1 << 63), {"x": 1}, [], [1], [1, 2.5]]


def test_examples_are_read_at_once_as_they_are_one_by_one(monkeypatch):
    """Each of few values beside each other, alone and in lists; most are no rows as they are."""
    at_once, asked = examples._are_rows, []
    for datatype, shape in product(("FP32", "INT64", "BYTES", "BOOL"), ((-1,), (-1, 2), (-1, -1), (-1, 1, 2))):
        contract = Contract((TensorSpec("x", datatype, shape),))
        for one, other in product(VALUES, VALUES):
            for document in ([{"x": one}, {"x": other}], [{"x": [one, other]}, {"x": [other, one]}], [{"x": one}, {}]):
                found = []
                for way in (at_once, lambda *_: False):
                    monkeypatch.setattr(examples, "_are_rows", way)
                    try:
                        found.append(repr(rows({"examples": document}, contract)))
                    except InvalidInput as error:
                        found.append(error.message)
                assert found[0] == found[1], (contract, document)
                asked.append(at_once(document, contract))
    assert 100 < sum(asked) < len(asked) - 1000
