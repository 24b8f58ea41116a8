from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensorflow_serving import results

SCORES = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)


def text(*values) -> np.ndarray:
    return np.array(values, object)


@pytest.mark.parametrize(
    "columns, labels, expected",
    [
        ({"classes": text(["a", b"b"], ["c", "d"]), "scores": SCORES}, {}, [["a", "b"], ["c", "d"]]),
        ({"label": text("b", "a"), "p": SCORES}, {"label": ("a", "b"), "p": ("a", "b")}, [["a", "b"]] * 2),
        ({"p": SCORES}, {}, [["", ""]] * 2),
        ({"p": SCORES}, {"p": ("a", "b", "c")}, [["", ""]] * 2),  # labels that do not belong to it
    ],
)
def test_scores_with_their_classes(columns, labels, expected):
    outputs = [TensorSpec(name, "BYTES", (-1,), labels=of) for name, of in labels.items()]
    found = results.classes(Response(2, columns), outputs)
    assert [[name for name, _ in row] for row in found] == expected
    assert [[score for _, score in row] for row in found] == SCORES.tolist()


@pytest.mark.parametrize(
    "labels, array", [((), text("a", b"b")), (("0", "1"), np.array([0, 1])), (("x",), np.array([[True], [False]]))]
)
def test_labels_alone_score_nothing(labels, array):
    found = results.classes(Response(2, {"label": array}), [TensorSpec("label", "BYTES", (-1,), labels=labels)])
    assert [len(row) for row in found] == [1, 1]
    assert {score for row in found for _, score in row} == {0.0}


@pytest.mark.parametrize("array", [np.array([1.0, 2.0]), np.array([[1.0], [2.0]]), np.array([1, 2])])
def test_a_number_is_no_class(array):
    with pytest.raises(InvalidInput, match='at least one of "classes" or "scores"'):
        results.classes(Response(2, {"y": array}), [])


def test_items_of_a_handler_are_understood():
    rows = [{"label": "a", "scores": [0.5, 0.5]}]
    assert results.classes(Response(1, rows=rows), []) == [[("", 0.5), ("", 0.5)]]
    assert results.numbers(Response(1, rows=[{"n": 2}]), []).tolist() == [2.0]


@pytest.mark.parametrize(
    "columns",
    [
        {"y": np.array([1.0, 2.0])},
        {"y": np.array([[1], [2]], np.int64)},
        {"outputs": np.array([1.0, 2.0]), "other": np.array([3.0, 4.0])},
        {"label": np.array([0, 1]), "y": np.array([1.0, 2.0]), "p": np.array([5.0, 6.0])},
    ],
)
def test_one_number_an_example(columns):
    assert results.numbers(Response(2, columns), [TensorSpec("p", "FP64", (-1,), labels=("a",))]).tolist() == [1, 2]


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"y": SCORES}, r"either \[batch_size\] or \[batch_size, 1\] but got \[2,2\]"),
        ({"y": text("a", "b")}, "DT_FLOAT"),
        ({"a": np.array([1.0, 2.0]), "b": np.array([1.0, 2.0])}, "Expected one output Tensor"),
    ],
)
def test_what_is_no_number(columns, message):
    with pytest.raises(InvalidInput, match=message):
        results.numbers(Response(2, columns), [])
