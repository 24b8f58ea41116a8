from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.open_inference.classification import classify


def best(array, k, labels=(), batched=True):
    return classify("p", np.array(array), k, labels, batched=batched).tolist()


def test_the_best_of_each_row_first():
    rows = [[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]]
    assert best(rows, 2) == [["0.700000:1", "0.200000:2"], ["0.500000:0", "0.500000:1"]]
    assert best(rows, 1, ("a", "b", "c")) == [["0.700000:1:b"], ["0.500000:0:a"]]


def test_more_than_there_are():
    assert best([[1, 3]], 9) == [["3:1", "1:0"]]


def test_one_value_a_row_and_several_dimensions():
    assert best([5, 6], 1) == [["5:0"], ["6:0"]]
    assert best([[[1, 2], [4, 3]]], 2) == [["4:2", "3:3"]]


def test_without_rows_the_whole_is_ranked():
    assert best([[1, 2], [4, 3]], 2, batched=False) == ["4:2", "3:3"]


def test_what_is_not_a_number_comes_last():
    assert best([[np.nan, 1.0]], 2) == [["1.000000:1", "nan:0"]]


def test_no_rows_and_no_numbers():
    assert best(np.zeros((0, 3)), 2) == []
    with pytest.raises(InvalidInput, match="no numbers"):
        best(["a"], 1)
