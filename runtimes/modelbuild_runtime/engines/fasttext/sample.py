"""A classifier of four words, whose file is written by hand and whose answers are reckoned with numpy."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WORDS = {
    "sun": [1.0, 0.0],
    "beach": [0.5, 0.25],
    "rain": [-1.0, 0.5],
    "été": [0.75, -0.5],
}
LABELS = {"__label__go": [2.0, 0.0], "__label__stay": [-2.0, 1.0], "__label__été": [1.0, -3.0]}
TEXTS = ("sun beach", "rain", "été and\nsun", "rain rain beach unknown")
SUPERVISED, SOFTMAX = 3, 3


def make(folder: Path) -> Sample:
    """Write ``model.bin``."""
    words, labels = np.array(list(WORDS.values()), "<f4"), np.array(list(LABELS.values()), "<f4")
    training = (2, 5, 1, 1, 0, 1, SOFTMAX, SUPERVISED, 0, 0, 0, 100)
    data = struct.pack("<ii12id", 793712314, 12, *training, 1e-4)
    data += struct.pack("<3iqq", len(WORDS) + len(LABELS), len(WORDS), len(LABELS), 9, -1)
    for kind, names in enumerate((WORDS, LABELS)):
        data += b"".join(name.encode() + b"\0" + struct.pack("<qb", 1, kind) for name in names)
    for matrix in (words, labels):
        data += struct.pack("<?qq", False, *matrix.shape) + matrix.tobytes()
    path = folder / "model.bin"
    path.write_bytes(data)
    return Sample(path, [{"text": text} for text in TEXTS], [_answer(text) for text in TEXTS], {"bytes": len(data)})


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What fastText itself answers, one line each."""
    import fasttext

    model = fasttext.load_model(str(path))
    found = []
    for row in rows:
        labels, probabilities = model.predict(row["text"].replace("\n", " ").replace("\r", " "), k=len(LABELS))
        chances = dict(zip(labels, probabilities.tolist()))
        label = labels[0] if labels else ""
        found.append({"label": label, "probabilities": [chances.get(name, 0.0) for name in LABELS]})
    return found


def _answer(text: str) -> object:
    """The softmax of the mean of the words that it knows, to which fastText adds a little."""
    known = [WORDS[word] for word in text.split() if word in WORDS]
    scores = np.array(list(LABELS.values())) @ np.mean(known, axis=0)
    powers = np.exp(scores - scores.max())
    probabilities = powers / powers.sum() + 1e-5
    return {"label": list(LABELS)[int(powers.argmax())], "probabilities": probabilities.tolist()}
