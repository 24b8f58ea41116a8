"""LightGBM's boosted trees and random forests."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.lightgbm.library import Booster, LibraryError
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

Answer = Callable[[np.ndarray], Dict[str, np.ndarray]]

ARRAY = "X"
"""The name of the one input of a model that was trained on an array."""

SMALL = 1 << 21
"""Bytes of artifact below which one thread is fast enough for many rows. For one row it always is."""


class LightgbmEngine:
    """One booster. ``categories`` are the values of a column, in the order of their codes."""

    def __init__(self, content: bytes, threads: int, categories: Mapping[str, Sequence[Any]]) -> None:
        self._content = content
        self._booster = booster = Booster(content, threads)
        self._categories = categories
        self._codes = {name: {value: code for code, value in enumerate(known)} for name, known in categories.items()}
        names = booster.names()
        self._names = [] if names == [f"Column_{index}" for index in range(len(names))] else names
        self._answer, self._outputs = _answering(_objective(content), booster.outputs)

    @property
    def model(self) -> Any:
        """LightGBM's own object, for handlers: it takes the Python package, and scipy."""
        package = importlib.import_module("lightgbm")
        return package.Booster(model_str=self._content.decode(errors="replace"))

    def signature(self) -> Signature:
        inputs = [self._input(name) for name in self._names]
        return Signature(
            tuple(inputs or [TensorSpec(ARRAY, "FP64", (-1, self._booster.features))]),
            self._outputs,
            columns=bool(self._names),
        )

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        rows = self._columns(inputs) if self._names else _sole(inputs)
        try:
            result = self._booster.predict(rows)
        except LibraryError as error:
            raise InvalidInput(f"the model refuses this input: {error}") from error
        return self._answer(result)

    def _input(self, name: str) -> TensorSpec:
        known = self._categories.get(name, ())
        if not known:
            return TensorSpec(name, "FP64", (-1,))
        datatype = {str: "BYTES", bool: "BOOL", int: "INT64"}.get(type(known[0]), "FP64")
        return TensorSpec(name, datatype, (-1,), optional=True, labels=tuple(map(str, known)))

    def _columns(self, inputs: Any) -> np.ndarray:
        """Columns side by side. One that was left out is missing in every row."""
        given = inputs if isinstance(inputs, Mapping) else {str(name): inputs[name].to_numpy() for name in inputs}
        if not given:
            raise InvalidInput(f"no input was sent; the model has {', '.join(map(repr, self._names[:20]))}")
        count = len(next(iter(given.values())))
        rows = np.empty((count, len(self._names)))
        for place, name in enumerate(self._names):
            column = given.get(name)
            if column is None:
                rows[:, place] = np.nan
            elif name in self._codes:
                rows[:, place] = _coded(self._codes[name], column.ravel().tolist())
            else:
                rows[:, place] = column if column.ndim == 1 else column.reshape(count)
        return rows


def load(path: Path, options: EngineOptions) -> LightgbmEngine:
    """Load a booster. ``options.options`` may hold ``categories`` by column, and ``threads``.

    Raises:
        LoadError: LightGBM refuses the file, or is not whole itself.
    """
    own = options.options
    threads = int(own.get("threads", 0)) or (options.threads if path.stat().st_size >= SMALL else 1)
    # The header counts the bytes of each tree as they are with plain line ends.
    content = path.read_bytes().replace(b"\r\n", b"\n")
    try:
        _require_whole(content)
        return LightgbmEngine(content, max(1, threads), own.get("categories", {}))
    except LibraryError as error:
        raise LoadError(f"{path.name} cannot be loaded: {error}") from error


def _require_whole(content: bytes) -> None:
    """LightGBM reads the trees where the header says that they are, and behind the end of the text, too."""
    head, _, _ = content.partition(b"\n\n")
    sizes = next((line[11:].split() for line in head.split(b"\n") if line.startswith(b"tree_sizes=")), [])
    if not sizes or len(head) + sum(map(int, sizes)) > len(content):
        raise LibraryError("it is cut off")


def _objective(content: bytes) -> str:
    """The word behind ``objective=``; empty for a function of the user's own."""
    head, _, _ = content.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if line.startswith(b"objective=")]
    return lines[0].partition(b"=")[2].split(b" ")[0].decode(errors="replace") if lines else ""


def _sole(inputs: Any) -> np.ndarray:
    values = list(inputs.values()) if isinstance(inputs, Mapping) else [inputs.to_numpy()]
    return np.ascontiguousarray(values[0] if len(values) == 1 else np.column_stack(values), np.float64)


def _coded(codes: Mapping[Any, int], values: List[Any]) -> List[float]:
    """NaN for a missing one, and for one that the model does not know: LightGBM treats both alike. Protocols may send
    text as bytes.
    """
    texts = [value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value for value in values]
    return [codes.get(value, np.nan) for value in texts]


# What comes out, by the objective.


def _answering(objective: str, outputs: int) -> Tuple[Answer, Tuple[TensorSpec, ...]]:
    """What makes arrays by name of the library's array, and their specs."""
    if objective == "binary":
        return _one_of_two, _classifier(2)
    if objective in {"multiclass", "multiclassova"}:
        return _most_probable, _classifier(outputs)
    name = "score" if objective in {"lambdarank", "rank_xendcg"} else "prediction"
    if outputs > 1:
        return lambda result: {name: result}, (TensorSpec(name, "FP64", (-1, outputs)),)
    return lambda result: {name: result[:, 0]}, (TensorSpec(name, "FP64", (-1,)),)


def _classifier(classes: int) -> Tuple[TensorSpec, ...]:
    """Classes by number: their names are not in the file."""
    labels = tuple(map(str, range(classes)))
    return (
        TensorSpec("label", "INT64", (-1,), labels=labels),
        TensorSpec("probabilities", "FP64", (-1, classes), labels=labels),
    )


def _most_probable(result: np.ndarray) -> Dict[str, np.ndarray]:
    return {"label": result.argmax(axis=1), "probabilities": result}


def _one_of_two(result: np.ndarray) -> Dict[str, np.ndarray]:
    """As LightGBM's scikit-learn interface does."""
    return _most_probable(np.concatenate((1 - result, result), axis=1))
