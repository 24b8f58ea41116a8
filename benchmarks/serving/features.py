"""A feature step as a data scientist writes it: about 20 µs for one row, less than 1 µs a row in a batch."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

MEAN = np.linspace(-0.5, 0.5, 30, dtype=np.float32)
SCALE = np.linspace(0.8, 1.2, 30, dtype=np.float32)
EDGES = np.linspace(-4, 4, 16, dtype=np.float32)


def preprocess(raw: Annotated[NDArray[np.float32], (30,)]) -> NDArray[np.float32]:
    """Fill gaps, clip, scale, and add ratios, cycles, bins and window statistics."""
    raw = np.clip(np.where(np.isnan(raw), MEAN, raw), -8.0, 8.0)
    out = (raw - MEAN) / SCALE
    out[:, 0] = np.log1p(np.abs(raw[:, 0]))
    out[:, 1] = raw[:, 1] * raw[:, 2]
    out[:, 2] = raw[:, 3] / (np.abs(raw[:, 4]) + 1.0)
    out[:, 3] = np.sin(raw[:, 5])
    out[:, 4] = np.cos(raw[:, 5])
    out[:, 5] = np.searchsorted(EDGES, raw[:, 6])
    window = raw[:, 7:12]
    out[:, 6] = window.mean(axis=1)
    out[:, 7] = window.max(axis=1)
    out[:, 8] = raw[:, 12:20].std(axis=1)
    return np.ascontiguousarray(out, dtype=np.float32)
