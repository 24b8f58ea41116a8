from __future__ import annotations

import numpy as np
import pytest

from modelbuild_runtime.optimising.comparing import compare
from modelbuild_runtime.optimising.rows import mixed, oddities, tiled
from modelbuild_runtime.signature import TensorSpec

EVEN = {"label": np.array([0, 1]), "probabilities": np.array([[0.5, 0.5], [0.2, 0.8]])}


@pytest.mark.parametrize(
    "changed, difference",
    [
        ({}, ""),
        ({"probabilities": EVEN["probabilities"] + 1e-6}, ""),
        ({"probabilities": EVEN["probabilities"] + 1e-3}, "probabilities[0][0] is 0.501 instead of 0.5"),
        ({"probabilities": np.full((2, 2), np.nan)}, "probabilities[0][0] is nan instead of 0.5"),
        ({"label": np.array([0, 0])}, "label[1] is 0 instead of 1"),
        ({"label": np.array([0.0, 1.0])}, "label is float64 [2] instead of int64 [2]"),
        ({"probabilities": EVEN["probabilities"][:1]}, "probabilities is float64 [1, 2] instead of float64 [2, 2]"),
    ],
)
def test_every_output_is_compared(changed, difference):
    assert compare({**EVEN, **changed}, EVEN, 1e-4).difference == difference


def test_names_are_compared():
    assert "it has the outputs label instead of" in compare({"label": EVEN["label"]}, EVEN, 1e-4).difference


def test_only_a_tie_may_go_either_way():
    tied = {**EVEN, "label": np.array([1, 1])}
    assert compare(tied, EVEN, 1e-4).difference
    assert compare(tied, EVEN, 1e-4, ties=True) == ("", 0.0, 1)
    assert compare({**EVEN, "label": np.array([0, 0])}, EVEN, 1e-4, ties=True).difference


def test_missing_numbers_are_equal_to_themselves():
    rows = {"y": np.array([np.nan, 1.0])}
    assert compare(rows, rows, 0) == ("", 0.0, 0)


def test_rows_are_made_of_the_examples():
    rows = {"x": np.array([1.0, 3.0]), "city": np.array(["Rome", "Rome"], object)}
    specs = (TensorSpec("x", "FP64", (-1,), True), TensorSpec("city", "BYTES", (-1,), False, ("Rome", "Oslo")))
    made = mixed(rows, specs)
    assert {1.0, 2.0, 3.0} < set(made["x"].tolist())
    assert set(made["city"].tolist()) == {"Rome", "Oslo"}
    assert tiled(rows, 5)["x"].tolist() == [1.0, 3.0, 1.0, 3.0, 1.0]
    kinds = [(odd.kind, odd.name) for odd in oddities(rows, specs)]
    assert kinds == [("missing", "x"), ("infinite", "x"), ("absent", "x"), ("unknown", "city")]
