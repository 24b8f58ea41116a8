"""An engine of another runtime, asked and answering as MLflow's signature says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.engines.mlflow.routed import RoutedEngine
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

TWO = (TensorSpec("label", "INT64", (-1,), labels=("0", "1")), TensorSpec("probabilities", "FP32", (-1, 2)))


class Inner:
    """Remembers what it is asked."""

    model = "the framework's own"

    def __init__(self, *inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = TWO, columns: bool = False) -> None:
        self._signature = Signature(inputs, outputs, columns)
        self.asked: dict[str, Any] = {}

    def signature(self) -> Signature:
        return self._signature

    def predict(self, inputs: Any) -> dict[str, np.ndarray]:
        self.asked = {name: array.tolist() for name, array in inputs.items()}
        return {"label": np.array([1, 0]), "probabilities": np.array([[0.25, 0.75], [1, 0]], np.float32)}


def column(name: str, datatype: str = "FP64", **more: Any) -> TensorSpec:
    return TensorSpec(name, datatype, (-1,), **more)


A, B = np.array([1, 2]), np.array([3.5, 4.5])
DECLARED = (column("a", "INT64"), column("b"))


def test_types_are_mlflow_s_and_categories_the_model_s():
    inner = Inner(column("b", "BYTES", labels=("x", "y")), column("a", "FP32"), columns=True)
    engine = RoutedEngine(inner, (*DECLARED[:1], column("b", "BYTES"), column("unused")), "all")
    assert engine.signature().inputs == (column("a", "INT64"), column("b", "BYTES", labels=("x", "y")))
    assert engine.signature().columns
    assert engine.signature().outputs == TWO
    assert engine.model == "the framework's own"


def test_columns_for_a_model_that_takes_a_matrix():
    inner = Inner(TensorSpec("X", "FP32", (-1, 2)))
    engine = RoutedEngine(inner, DECLARED, "first")
    assert engine.signature().inputs == DECLARED
    engine.predict({"b": B, "a": A})
    assert inner.asked == {"X": [[1, 3.5], [2, 4.5]]}


def test_a_matrix_for_a_model_that_takes_columns():
    inner = Inner(column("a", "INT64"), column("b"), columns=True)
    engine = RoutedEngine(inner, (TensorSpec("input", "FP64", (-1, 2)),), "first")
    engine.predict({"input": np.stack([A, B], axis=1)})
    assert inner.asked == {"a": [1, 2], "b": [3.5, 4.5]}
    assert not engine.signature().columns


def test_a_tensor_without_a_name_has_the_model_s():
    inner = Inner(TensorSpec("X", "FP32", (-1, 2)))
    engine = RoutedEngine(inner, (TensorSpec("input", "FP64", (-1, 2)),), "first")
    assert engine.signature().inputs == (TensorSpec("X", "FP64", (-1, 2)),)
    engine.predict({"X": np.stack([A, B], axis=1)})
    assert inner.asked == {"X": [[1, 3.5], [2, 4.5]]}


def test_inputs_that_do_not_fit_are_named():
    with pytest.raises(LoadError, match=r"has the inputs 'a', 'b', and the model inside takes 'c', 'd', 'e'") as raised:
        RoutedEngine(Inner(column("c"), column("d"), column("e")), DECLARED, "first")
    assert "--runtime mlflow" in raised.value.hint


THREE = (TWO[0], TensorSpec("probabilities", "FP32", (-1, 3)))


@pytest.mark.parametrize(
    ("answer", "outputs", "wide", "expected"),
    [
        ("first", TWO, False, {"label": [1, 0]}),
        ("first", TWO, True, {"label": [[1], [0]]}),
        ("probabilities", TWO, False, {"probabilities": [[0.25, 0.75], [1, 0]]}),
        ("booster", TWO, False, {"prediction": [0.75, 0]}),
        ("booster", THREE, False, {"probabilities": [[0.25, 0.75], [1, 0]]}),
        ("booster", TWO[:1], False, {"label": [1, 0]}),
        ("all", TWO, False, {"label": [1, 0], "probabilities": [[0.25, 0.75], [1, 0]]}),
    ],
)
def test_what_mlflow_answers_of_all_that_the_model_does(answer, outputs, wide, expected):
    engine = RoutedEngine(Inner(*DECLARED, outputs=outputs), DECLARED, answer, wide=wide)
    found = engine.predict({"a": A, "b": B})
    assert {name: array.tolist() for name, array in found.items()} == expected
    assert [spec.name for spec in engine.signature().outputs] == list(expected)
