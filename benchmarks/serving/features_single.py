"""The feature step of ``features.py`` for one record at a time: about 20 µs each, whoever else waits."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

MEAN = np.linspace(-0.5, 0.5, 30, dtype=np.float32)
SCALE = np.linspace(0.8, 1.2, 30, dtype=np.float32)
EDGES = np.linspace(-4, 4, 16, dtype=np.float32)


@dataclass
class Sample:
    values: Annotated[NDArray[np.float32], (30,)]


def preprocess(sample: Sample) -> NDArray[np.float32]:
    """Fill gaps, clip, scale, and add ratios, cycles, bins and window statistics."""
    raw = np.clip(np.where(np.isnan(sample.values), MEAN, sample.values), -8.0, 8.0)
    out = (raw - MEAN) / SCALE
    out[0] = math.log1p(abs(raw[0]))
    out[1] = raw[1] * raw[2]
    out[2] = raw[3] / (abs(raw[4]) + 1.0)
    out[3] = math.sin(raw[5])
    out[4] = math.cos(raw[5])
    out[5] = np.searchsorted(EDGES, raw[6])
    window = raw[7:12]
    out[6] = window.mean()
    out[7] = window.max()
    out[8] = raw[12:20].std()
    return out
