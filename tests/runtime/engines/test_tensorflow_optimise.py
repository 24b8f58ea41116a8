"""A signature of a SavedModel as a graph: the one that is served, under its own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.optimising import trial
from runtime.optimising.held import Held

tf = pytest.importorskip("tensorflow", reason="tested in an environment of its own")
pytest.importorskip("tf2onnx", reason="tested in an environment of its own")


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate is quicker: what other processes do at the time must not decide."""
    monkeypatch.setattr(trial, "microseconds", lambda engines, rows: (100.0, 10.0))


def saved(folder: Path) -> None:
    """Two signatures, of which only one has a graph: the one of texts has none."""
    module = tf.Module()
    module.weights = tf.Variable([[0.5, -1.0], [2.0, 0.25]])

    def numbers(x: Any) -> dict[str, Any]:
        scores = tf.matmul(x, module.weights)
        return {"z": scores, "a": tf.argmax(scores, axis=1)}

    def texts(text: Any) -> dict[str, Any]:
        return {"known": tf.strings.regex_full_match(text, "a.*")}

    module.numbers = tf.function(numbers, input_signature=[tf.TensorSpec([None, 2], name="x")])
    module.texts = tf.function(texts, input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    tf.saved_model.save(module, str(folder), {"numbers": module.numbers, "texts": module.texts})


def test_the_signature_that_is_served(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    held = Held(tmp_path, "tensorflow", "m", [{"x": [1.0, 2.0]}, {"x": [-3.0, 0.5]}], options={"signature": "numbers"})
    assert (held.report["kept"], held.reasons) == ("ONNX", [""])
    held.require_equal({"x": np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)})
    with pytest.raises(InvalidInput, match="missing or infinite"):
        held.kept.predict({"x": np.full((1, 2), np.nan, np.float32)})
