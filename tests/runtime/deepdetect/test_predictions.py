from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.deepdetect.predictions import Wanted, predictions, wanted
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec

NAMED = Contract((), (TensorSpec("p", "FP32", (-1, 3), labels=("a", "b", "c")),))
BARE = Contract((), (TensorSpec("p", "FP32", (-1, 3)),))
ROW = {"p": np.array([[0.25, 0.5, 0.125]])}


def made(columns, contract=NAMED, asked=None):
    return predictions(Response(1, columns), contract, asked or Wanted())


def cats(prediction):
    return [(entry["cat"], entry["prob"]) for entry in prediction["classes"]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Wanted(), [("b", 0.5)]),
        (Wanted(best=2), [("b", 0.5), ("a", 0.25)]),
        (Wanted(best=-1), [("b", 0.5), ("a", 0.25), ("c", 0.125)]),
        (Wanted(best=9), [("b", 0.5), ("a", 0.25), ("c", 0.125)]),
        (Wanted(best=-1, threshold=0.25), [("b", 0.5), ("a", 0.25)]),
        (Wanted(best=0), []),
        (Wanted(threshold=0.9), []),
    ],
)
def test_the_best_classes(asked, expected):
    (found,) = made(ROW, asked=asked)
    assert cats(found) == expected
    assert [entry.get("last", False) for entry in found["classes"]] == [False] * (len(expected) - 1) + [True] * bool(
        expected
    )


def test_numbers_that_are_none_come_last():
    (found,) = made({"p": np.array([[np.nan, 0.5, 0.25]])}, asked=Wanted(best=-1, threshold=0.1))
    assert [entry["cat"] for entry in found["classes"]] == ["b", "c", "a"]


def test_without_labels_it_takes_a_word_to_make_classes_of_numbers():
    assert made(ROW, BARE) == [
        {"vector": [{"cat": "0", "val": 0.25}, {"cat": "1", "val": 0.5}, {"cat": "2", "val": 0.125, "last": True}]}
    ]
    assert cats(made(ROW, BARE, Wanted(best=1))[0]) == [("1", 0.5)]
    beside = {"label": np.array(["x"], object), **ROW}
    assert cats(made(beside, BARE)[0]) == [("1", 0.5)]
    assert "vector" in made(beside, BARE, Wanted(best=1, regression=True))[0]


def test_a_class_alone_is_certain():
    columns = {"label": np.array(["cat", b"dog", b"\xff"], object), "length": np.array([1, 2, 3])}
    assert [cats(one) for one in made(columns)] == [[("cat", 1.0)], [("dog", 1.0)], [("/w==", 1.0)]]


def test_numbers_are_named_by_label_output_or_place():
    contract = Contract((), (TensorSpec("xy", "FP32", (-1, 2), labels=("x", "y")), TensorSpec("z", "INT64", (-1,))))
    columns = {"xy": np.array([[1.0, 2.0]]), "z": np.array([3]), "w": np.array([[True, False]])}
    (found,) = made(columns, contract, Wanted(regression=True))
    assert [(entry["cat"], entry["val"]) for entry in found["vector"]] == [
        ("x", 1.0),
        ("y", 2.0),
        ("z", 3.0),
        ("w_0", 1.0),
        ("w_1", 0.0),
    ]


def test_a_model_without_rows_makes_one_prediction():
    contract = Contract((), (TensorSpec("t", "INT32", (2, 2)),), batched=False)
    (found,) = made({"t": np.array([[1, 2], [3, 4]])}, contract)
    assert [entry["val"] for entry in found["vector"]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"a": 0.25, "b": np.float32(0.5)}, {"classes": [{"cat": "b", "prob": 0.5, "last": True}]}),
        ("a", {"classes": [{"cat": "a", "prob": 1.0, "last": True}]}),
        (2, {"vector": [{"cat": "0", "val": 2.0, "last": True}]}),
        ([1, 2.5], {"vector": [{"cat": "0", "val": 1.0}, {"cat": "1", "val": 2.5, "last": True}]}),
        ({"a": "x"}, {"vals": {"a": "x"}}),
        ([], {"vals": []}),
        (True, {"vals": True}),
        (None, {"vals": None}),
    ],
)
def test_what_a_handler_answers(item, expected):
    assert predictions(Response(1, rows=[item]), Contract(), Wanted()) == [expected]


def test_parameters():
    assert wanted({}) == Wanted()
    assert wanted({"best": 3, "confidence_threshold": 1, "bbox": True}) == Wanted(3, 1.0)
    assert wanted({"best": -1, "regression": True, "measure": [], "index": False}) == Wanted(-1, 0.0, True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"best": True},
        {"best": 1.5},
        {"best": -2},
        {"confidence_threshold": "0.5"},
        {"confidence_threshold": None},
        {"regression": 1},
        {"measure": ["f1"]},
        {"network": {"url": "http://example.com"}},
        {"template": "{{x}}"},
        {"search": True},
    ],
)
def test_parameters_that_cannot_be_met(parameters):
    with pytest.raises(InvalidInput) as caught:
        wanted(parameters)
    assert caught.value.field.startswith("parameters.output.")
