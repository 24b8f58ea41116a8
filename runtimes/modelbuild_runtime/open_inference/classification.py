"""The classification extension of Triton: the k best classes of an output as text, "value:index" or with its label."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from modelbuild_runtime.errors import InvalidInput


def classify(name: str, array: np.ndarray, k: int, labels: Sequence[str], *, batched: bool) -> np.ndarray:
    """An object array of text, with the k best of each row (of the whole where nothing counts rows), best first.

    Raises:
        InvalidInput: the output has no numbers.
    """
    if array.dtype.kind not in "biuf":
        raise InvalidInput(f"output {name!r} has no numbers to classify by", field=name)
    rows = array.reshape(len(array) if batched else 1, -1) if array.size else array.reshape(0, 1)
    k = min(k, rows.shape[1])
    best = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :k]
    texts = np.empty(best.shape, object)
    for row, indices in enumerate(best.tolist()):
        texts[row] = [_text(rows[row, index], index, labels) for index in indices]
    return texts if batched else texts.reshape(-1)


def _text(value: Any, index: int, labels: Sequence[str]) -> str:
    number = f"{float(value):f}" if isinstance(value, np.floating) else str(int(value))
    return f"{number}:{index}:{labels[index]}" if index < len(labels) else f"{number}:{index}"
