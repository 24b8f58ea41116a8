"""fastText's classifiers, and its vectors of words and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

TEXT = "text"
ALL_LABELS = 1000
"""Up to so many labels, each row is answered with the probability of every one; beyond, with the best ``MOST``."""

MOST = 10
HEADER = 92
_BREAKS = (b"\n", b"\r")


class Classifier:
    """A supervised model. fastText looks at one line at a time, and its call for many is slower than many calls."""

    def __init__(self, model: Any, best: int) -> None:
        self.model = model
        self._predict = model.f.predict
        self._labels = tuple(model.get_labels(on_unicode_error="replace"))
        self._places = {label: place for place, label in enumerate(self._labels)}
        self._whole = not best and len(self._labels) <= ALL_LABELS
        self._best = min(best or MOST, len(self._labels))

    def signature(self) -> Signature:
        if not self._whole:
            outputs = (
                TensorSpec("labels", "BYTES", (-1, self._best)),
                TensorSpec("probabilities", "FP32", (-1, self._best)),
            )
        else:
            outputs = (
                TensorSpec("label", "BYTES", (-1,), labels=self._labels),
                TensorSpec("probabilities", "FP32", (-1, len(self._labels)), labels=self._labels),
            )
        return Signature((TensorSpec(TEXT, "BYTES", (-1,)),), outputs)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        lines = _lines(inputs[TEXT].tolist())
        return self._probabilities(lines) if self._whole else self._most_probable(lines)

    def _probabilities(self, lines: List[bytes]) -> Dict[str, np.ndarray]:
        """What is left out of an answer has no probability worth telling. A text may have no answer at all."""
        predict, places, count = self._predict, self._places, len(self._labels)
        labels = np.empty(len(lines), object)
        flat = [0.0] * (len(lines) * count)  # lists take items in a third of the time of arrays
        for row, line in enumerate(lines):
            found = predict(line, count, 0.0, "replace")
            labels[row] = found[0][1] if found else ""
            start = row * count
            for probability, label in found:
                flat[start + places[label]] = probability
        return {"label": labels, "probabilities": np.array(flat, np.float32).reshape(len(lines), count)}

    def _most_probable(self, lines: List[bytes]) -> Dict[str, np.ndarray]:
        labels = np.full((len(lines), self._best), "", object)
        probabilities = np.zeros((len(lines), self._best), np.float32)
        for row, line in enumerate(lines):
            for place, (probability, label) in enumerate(self._predict(line, self._best, 0.0, "replace")):
                labels[row, place] = label
                probabilities[row, place] = probability
        return {"labels": labels, "probabilities": probabilities}


class Vectors:
    """An unsupervised model: a text is the mean of its words' vectors, each of length one."""

    def __init__(self, model: Any, vector: Any) -> None:
        self.model = model
        self._dimension = model.get_dimension()
        self._vector = vector

    def signature(self) -> Signature:
        return Signature((TensorSpec(TEXT, "BYTES", (-1,)),), (TensorSpec("vector", "FP32", (-1, self._dimension)),))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        lines = _lines(inputs[TEXT].tolist())
        made = np.empty((len(lines), self._dimension), np.float32)
        into = self._vector(self._dimension)
        for row, line in enumerate(lines):
            self.model.f.getSentenceVector(into, line)
            made[row] = into
        return {"vector": made}


def load(path: Path, options: EngineOptions) -> Any:
    """Load a model. ``options.options`` may hold ``bytes``, its size when it was read: fastText takes what a file that
    was cut off lacks for words without end, and fills the memory with them; and ``k``, the number of labels that are
    answered, instead of the probability of every one.

    Raises:
        LoadError: it is not the file that was read, or fastText refuses it.
    """
    import fasttext_pybind
    from fasttext.FastText import _FastText

    size, expected = path.stat().st_size, options.options.get("bytes", HEADER)
    if size < expected or ("bytes" in options.options and size != expected):
        raise LoadError(f"{path.name} has {size} bytes, and should have {expected}", "Copy it or save it again.")
    try:
        model = _FastText(str(path))
    except (ValueError, RuntimeError, MemoryError) as error:
        raise LoadError(f"fastText cannot load {path.name}: {error}", "Copy it or save it again.") from error
    if model.f.getArgs().model == fasttext_pybind.model_name.supervised:
        return Classifier(model, int(options.options.get("k", 0)))
    return Vectors(model, fasttext_pybind.Vector)


def _lines(texts: List[Any]) -> List[bytes]:
    """Each text as a line. Texts without ends of lines in them are so together, in a tenth of the time."""
    if set(map(type, texts)) == {str}:
        try:
            joined = "\n".join(texts).encode() + b"\n"
        except UnicodeEncodeError:
            return [_line(text) for text in texts]  # which tells what is wrong
        if joined.count(b"\n") == len(texts) and b"\r" not in joined:
            return joined.splitlines(keepends=True)
    return [_line(text) for text in texts]


def _line(text: Any) -> bytes:
    """One line in UTF-8, which ends as one: what follows a line's end is not looked at, so that none stays inside."""
    try:
        line = text if isinstance(text, bytes) else text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"input {TEXT!r} has a character that is half of one", field=TEXT) from error
    for end in _BREAKS:
        if end in line:
            line = line.replace(end, b" ")
    return line + b"\n"
