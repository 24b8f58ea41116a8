from __future__ import annotations

import math

import pytest

from modelbuild.verification.compare import difference


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (1, 1),
        (1.0, 1),
        (0.50001, 0.5),
        (1e-9, 0.0),
        (math.nan, math.nan),
        (math.inf, math.inf),
        ("a", "a"),
        (None, None),
        (True, True),
        ([], []),
        ([{"label": 1, "probabilities": [0.1, 0.9]}], [{"probabilities": [0.1, 0.9], "label": 1}]),
    ],
)
def test_equal(answer, expected):
    assert difference(answer, expected, 1e-4) == ""


@pytest.mark.parametrize(
    ("answer", "expected", "found"),
    [
        (0.52, 0.25, "$ is 0.52 instead of 0.25"),
        ([{"probabilities": [0.1, 0.52]}], [{"probabilities": [0.1, 0.25]}], "$[0].probabilities[1] is 0.52 instead"),
        ({"a": 1}, {"b": 1}, "$ has no 'b'; it has 'a'"),
        ({"a": 1, "c": 2}, {"a": 1}, "$ has 'c', which is not expected"),
        ({}, {"b": 1}, "$ has no 'b'; it has nothing"),
        ([1, 2], [1, 2, 3], "$ has 2 elements instead of 3"),
        ({"two words": 1}, {"two words": 2}, "$['two words'] is 1 instead of 2"),
        ("1", 1, "$ is '1' instead of 1"),
        (1, True, "$ is 1 instead of True"),
        (None, 0.0, "$ is None instead of 0.0"),
        ([], {}, "$ is [] instead of {}"),
        (math.nan, 1.0, "$ is nan instead of 1.0"),
        (math.inf, 1.0, "$ is inf instead of 1.0"),
        ("x" * 200, "y", "xxx... instead of 'y'"),
    ],
)
def test_the_place_is_named(answer, expected, found):
    assert found in difference(answer, expected, 1e-4)


def test_classes_are_not_nearly_equal():
    assert difference(10001, 10002, 1e-3) == "$ is 10001 instead of 10002"
    assert difference(10001.0, 10002, 1e-3) == ""


def test_the_tolerance_is_relative():
    assert difference(1000.05, 1000.0, 1e-4) == ""
    assert difference(0.0105, 0.01, 1e-4) != ""
    assert difference(0.0105, 0.01, 0.1) == ""
