from __future__ import annotations

import io

import numpy as np
import pytest

from builder import samples
from modelbuild.pickles.machine import Machine
from modelbuild.pickles.objects import attributes, class_name, parts, values
from modelbuild.pickles.symbols import Trace


def root(data: bytes) -> object:
    return Machine(io.BytesIO(data), Trace()).run()


@pytest.mark.parametrize("protocol", range(6))
def test_classes_and_parts(protocol):
    pipeline = root(samples.pickled(protocol))
    assert class_name(pipeline) == "sklearn.pipeline.Pipeline"
    assert [(name, class_name(part).rpartition(".")[2]) for name, part in parts(pipeline)] == [
        ("standardscaler", "StandardScaler"),
        ("logisticregression", "LogisticRegression"),
    ]


ARRAYS = [
    np.array([3, -1, 2]),
    np.array([1.5, 2.5]),
    np.array([True, False]),
    np.array(["yes", "né"]),
    np.array(["a", "b"], object),
    np.arange(5, dtype=np.uint8),
]


@pytest.mark.parametrize("write", [samples.dumped, *(lambda model, p=p: samples.pickled(p, model) for p in range(6))])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_small_arrays(array, write):
    holder = root(write(model={"a": array}))
    assert list(values(holder["a"])) == array.tolist()


def test_what_has_no_items():
    assert values(root(samples.dumped(model=np.zeros((2, 2))))) == ()
    assert values(root(samples.dumped(model=np.zeros(10_000)))) == ()
    assert values(3) == ()


def test_attributes_of_what_has_none():
    assert attributes(3) == {}
    assert class_name(root(samples.pickled(4, {}))) == "builtins.dict"
    assert class_name(root(samples.dumped(model=np.zeros(3)))) == "numpy.ndarray"
