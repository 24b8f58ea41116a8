"""A model of two inputs and two outputs, saved by Keras and computed by numpy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WEIGHTS = np.array([[0.5, -1.0], [-0.25, 0.5], [1.0, 0.25]], np.float32)
BIAS = np.array([0.25, -0.5], np.float32)
REQUEST = [
    {"customer": [1.0, 2.0], "amount": [3.0]},
    {"customer": [-0.5, 0.25], "amount": [0.0]},
    {"customer": [4.0, -1.0], "amount": [0.5]},
]


def make(folder: Path) -> Sample:
    """Write ``model.keras``."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    customer, amount = keras.Input((2,), name="customer"), keras.Input((1,), name="amount")
    both = keras.layers.Concatenate()([customer, amount])
    dense = keras.layers.Dense(2, name="scores")
    scores = dense(both)
    model = keras.Model([customer, amount], [scores, keras.layers.Softmax(name="probabilities")(scores)])
    dense.set_weights([WEIGHTS, BIAS])
    path = folder / "model.keras"
    model.save(path)
    inputs = np.array([[*row["customer"], *row["amount"]] for row in REQUEST], np.float32)
    expected = inputs @ WEIGHTS + BIAS
    powers = np.exp(expected - expected.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).tolist()
    rows = zip(expected.tolist(), probabilities)
    return Sample(path, REQUEST, [{"scores": one, "probabilities": other} for one, other in rows])


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What Keras itself answers."""
    import keras

    inputs = [np.array([row[name] for row in rows], np.float64).astype(np.float32) for name in REQUEST[0]]
    scores, probabilities = keras.models.load_model(path)(inputs)
    both = zip(np.asarray(scores).tolist(), np.asarray(probabilities).tolist())
    return [{"scores": one, "probabilities": other} for one, other in both]
