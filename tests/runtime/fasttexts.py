"""Small models of fastText, with vectors by chance. Training begins with whatever lies in memory: no two are alike, and
some come to nothing.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("</s>", "hello", "dear", "lunch", "win", "money", "free", "soleil", "plage", "été")
LABELS = ("__label__ham", "__label__spam", "__label__été")
SUBWORDS = {"shortest": 2, "longest": 4, "buckets": 300}
HS, NEGATIVE, SOFTMAX, ONE_AGAINST_ALL = 1, 2, 3, 4
CBOW, SKIPGRAM, SUPERVISED = 1, 2, 3


def written(
    folder: Path,
    *,
    labels: tuple[str, ...] = LABELS,
    kind: int = SUPERVISED,
    loss: int = SOFTMAX,
    ngrams: int = 1,
    shortest: int = 0,
    longest: int = 0,
    buckets: int = 0,
) -> Path:
    """The file of a model."""
    random = np.random.default_rng(0)
    labels = labels if kind == SUPERVISED else ()
    inputs = random.normal(size=(len(WORDS) + buckets, 4)).astype("<f4")
    outputs = random.normal(size=(len(labels) or len(WORDS), 4)).astype("<f4")
    training = (4, 5, 5, 1, 5, ngrams, loss, kind, buckets, shortest, longest, 100)
    data = struct.pack("<ii12id", 793712314, 12, *training, 1e-4)
    data += struct.pack("<3iqq", len(WORDS) + len(labels), len(WORDS), len(labels), 100, -1)
    for number, names in enumerate((WORDS, labels)):
        data += b"".join(
            name.encode() + b"\0" + struct.pack("<qb", 20 - n % 20, number) for n, name in enumerate(names)
        )
    for matrix in (inputs, outputs):
        data += struct.pack("<?qq", False, *matrix.shape) + matrix.tobytes()
    path = folder / "model.bin"
    path.write_bytes(data)
    return path


def quantized(folder: Path, **how: Any) -> Path:
    """The file of a model whose vectors fastText has quantized."""
    from fasttext.FastText import _FastText

    path = written(folder, **SUBWORDS)
    model = _FastText(str(path))
    model.quantize(verbose=0, **how)
    model.save_model(str(path))
    return path
