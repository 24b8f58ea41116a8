"""Keras' models as graphs: names of layers and of keys stay, and what has no graph is left as it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.optimising import trial
from runtime.optimising.held import Held

os.environ["KERAS_BACKEND"] = "tensorflow"
keras = pytest.importorskip("keras", reason="tested in an environment of its own")
pytest.importorskip("tf2onnx", reason="tested in an environment of its own")

CUSTOMER = [[1.0, 2.0], [-0.5, 0.25], [4.0, -1.0]]
ROWS = [{"customer": numbers, "amount": [number]} for numbers, number in zip(CUSTOMER, (3.0, 0.0, 0.5), strict=True)]


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate is quicker: what other processes do at the time must not decide."""
    monkeypatch.setattr(trial, "microseconds", lambda engines, rows: (100.0, 10.0))


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    customer, amount = keras.Input((2,), name="customer"), keras.Input((1,), name="amount")
    scores = keras.layers.Dense(3, name="scores")(keras.layers.Concatenate()([customer, amount]))
    outputs = {"z": scores, "a": keras.layers.Softmax()(scores)}
    keras.Model({"customer": customer, "amount": amount}, outputs).save(tmp_path / "m.keras")
    held = Held(tmp_path, "keras", "m.keras", ROWS)
    assert (held.report["kept"], held.reasons) == ("ONNX", [""])
    random = np.random.default_rng(0)
    many = {"customer": random.normal(size=(40, 2)), "amount": random.normal(size=(40, 1))}
    held.require_equal({name: array.astype(np.float32) for name, array in many.items()})
    with pytest.raises(InvalidInput, match="missing or infinite"):
        held.kept.predict({"customer": np.full((1, 2), np.nan, np.float32), "amount": np.ones((1, 1), np.float32)})


def test_text_is_left_as_it_is(tmp_path: Path) -> None:
    words = keras.layers.TextVectorization(vocabulary=["yes", "no"], output_mode="multi_hot")
    model = keras.Sequential([keras.Input((1,), dtype="string", name="text"), words, keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    held = Held(tmp_path, "keras", "m.keras", [{"text": ["yes no"]}, {"text": ["no"]}])
    assert held.report["kept"] == ""
    assert held.reasons[0].startswith("it cannot be made")
