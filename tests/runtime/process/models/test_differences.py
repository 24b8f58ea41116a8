from __future__ import annotations

import math

import pytest

from modelbuild_runtime.process.models.differences import differs


@pytest.mark.parametrize(
    "got, expected, text",
    [
        ({"a": [1.00001, "x"]}, {"a": [1, "x"]}, ""),
        (100000.5, 100000.0, ""),
        (0.00001, 0.0, ""),
        (0.001, 0.0, "$ is 0.001, expected 0.0"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "$.a.b[1] is 2, expected 3"),
        ({"a": 1}, {"b": 1}, "$ is {'a': 1}, expected {'b': 1}"),
        ([1, 2], [1], "$ is [1, 2], expected [1]"),
        (True, 1, "$ is True, expected 1"),
        (None, 0, "$ is None, expected 0"),
        (None, None, ""),
        ("cat", "dog", "$ is cat, expected dog"),
        (math.nan, 1.0, "$ is nan, expected 1.0"),
        (1.0, math.nan, "$ is 1.0, expected nan"),
        (math.nan, math.nan, ""),
        (math.inf, math.inf, ""),
        (math.inf, -math.inf, "$ is inf, expected -inf"),
    ],
)
def test_differences_beyond_rounding_are_named(got, expected, text):
    assert differs(got, expected) == text
