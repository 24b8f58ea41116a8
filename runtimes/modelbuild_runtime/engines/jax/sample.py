"""A linear classifier of three numbers with an offset, exported by JAX and computed by numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WEIGHTS = np.array([[0.5, -1.0], [-0.25, 0.5], [1.0, 0.25]], np.float32)
REQUEST = [
    {"features": [1.0, 2.0, 3.0], "offset": 0.5},
    {"features": [-0.5, 0.25, 0.0], "offset": -1.0},
    {"features": [4.0, -1.0, 0.5], "offset": 0.0},
]


def make(folder: Path) -> Sample:
    """Write ``model.jax``."""
    import jax
    from jax import export, numpy

    def classify(inputs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # traced by JAX
        scores = inputs["features"] @ WEIGHTS + inputs["offset"][:, None]
        return {"label": numpy.argmax(scores, axis=1), "probabilities": jax.nn.softmax(scores), "scores": scores}

    (rows,) = export.symbolic_shape("rows")
    shapes = {
        "features": jax.ShapeDtypeStruct((rows, 3), numpy.float32),
        "offset": jax.ShapeDtypeStruct((rows,), numpy.float32),
    }
    path = folder / "model.jax"
    path.write_bytes(export.export(jax.jit(classify), platforms=["cpu"])(shapes).serialize())
    features = np.array([row["features"] for row in REQUEST], np.float32)
    scores = features @ WEIGHTS + np.array([[row["offset"]] for row in REQUEST], np.float32)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).tolist()
    expected = [
        {"label": int(np.argmax(row)), "probabilities": row, "scores": score}
        for row, score in zip(probabilities, scores.tolist())
    ]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What JAX itself answers."""
    from jax import export

    with np.errstate(over="ignore"):
        inputs = {name: np.array([row[name] for row in rows], np.float64).astype(np.float32) for name in REQUEST[0]}
    outputs = export.deserialize(bytearray(path.read_bytes())).call(inputs)
    lists = {name: np.asarray(array).tolist() for name, array in outputs.items()}
    return [dict(zip(lists, row)) for row in zip(*lists.values())]
