"""A linear classifier of three numbers and a word, saved by TensorFlow and computed by numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WEIGHTS = np.array([[0.5, -1.0], [-0.25, 0.5], [1.0, 0.25]], np.float32)
REQUEST = [
    {"channel": "web", "features": [1.0, 2.0, 3.0]},
    {"channel": "shop", "features": [-0.5, 0.25, 0.0]},
    {"channel": "phone", "features": [4.0, -1.0, 0.5]},
]


def make(folder: Path) -> Sample:
    """Write the folder ``model``."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="features"),
            tf.TensorSpec([None], tf.string, name="channel"),
        ]
    )
    def classify(features, channel):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # read by TensorFlow
        scores = tf.matmul(features, module.weights)
        return {
            "label": tf.argmax(scores, axis=1),
            "probabilities": tf.nn.softmax(scores),
            "source": tf.strings.upper(channel),
        }

    path = folder / "model"
    tf.saved_model.save(module, str(path), signatures={"serving_default": classify})
    scores = np.array([row["features"] for row in REQUEST], np.float32) @ WEIGHTS
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).tolist()
    expected = [
        {"label": int(np.argmax(row)), "probabilities": row, "source": str(asked["channel"]).upper()}
        for asked, row in zip(REQUEST, probabilities)
    ]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What TensorFlow itself answers."""
    import tensorflow as tf

    features = np.array([row["features"] for row in rows], np.float64).astype(np.float32)
    channel = tf.constant([row["channel"] for row in rows], tf.string)
    found = tf.saved_model.load(str(path)).signatures["serving_default"](
        features=tf.constant(features), channel=channel
    )
    label, probabilities = found["label"].numpy().tolist(), found["probabilities"].numpy().tolist()
    source = [text.decode() for text in found["source"].numpy().tolist()]
    return [dict(zip(("label", "probabilities", "source"), row)) for row in zip(label, probabilities, source)]
