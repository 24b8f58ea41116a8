"""XGBoost's boosted trees and linear models."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.xgboost.library import Booster, LibraryError, version
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

Answer = Callable[[np.ndarray], Dict[str, np.ndarray]]

ARRAY = "X"
"""The name of the one input of a model that was trained on an array."""

SMALL = 1 << 20
"""Bytes of artifact below which one thread is quicker for one row, and fast enough for many."""


class XgboostEngine:
    """One booster. ``categories`` are the values of a column, in the order of their codes."""

    def __init__(self, path: Path, booster: Booster, categories: Mapping[str, Sequence[Any]]) -> None:
        self._path = path
        self._booster = booster
        self._categories = categories
        self._codes = {name: {value: code for code, value in enumerate(known)} for name, known in categories.items()}
        names, types = booster.texts("feature_name"), booster.texts("feature_type")
        self._names = names if len(names) == booster.features() else []
        self._types = dict(zip(names, types))
        self._answer, self._outputs = _answering(booster.configuration)

    @property
    def model(self) -> Any:
        """XGBoost's own object, for handlers: it takes the Python package, and scipy."""
        package = importlib.import_module("xgboost")
        return package.Booster(model_file=bytearray(_content(self._path)))

    def signature(self) -> Signature:
        inputs = [self._input(name) for name in self._names]
        if not inputs:
            inputs = [TensorSpec(ARRAY, "FP32", (-1, self._booster.features() or -1))]
        return Signature(tuple(inputs), self._outputs, columns=bool(self._names))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        rows = self._columns(inputs) if self._names else _sole(inputs)
        try:
            result = self._booster.predict(rows)
        except LibraryError as error:
            raise InvalidInput(f"the model refuses this input: {error}") from error
        return self._answer(result)

    def _input(self, name: str) -> TensorSpec:
        """XGBoost computes with 32-bit floats, so that all numbers are such."""
        known = self._categories.get(name, ())
        if known:
            datatype = {str: "BYTES", int: "INT64"}.get(type(known[0]), "FP64")
            return TensorSpec(name, datatype, (-1,), optional=True, labels=tuple(map(str, known)))
        if self._types.get(name) == "i":
            return TensorSpec(name, "BOOL", (-1,), optional=True)
        return TensorSpec(name, "FP32", (-1,))

    def _columns(self, inputs: Any) -> np.ndarray:
        """Columns side by side. One that was left out is missing in every row."""
        given = inputs if isinstance(inputs, Mapping) else {str(name): inputs[name].to_numpy() for name in inputs}
        if not given:
            raise InvalidInput(f"no input was sent; the model has {', '.join(map(repr, self._names[:20]))}")
        count = len(next(iter(given.values())))
        rows = np.empty((count, len(self._names)), np.float32)
        for place, name in enumerate(self._names):
            column = given.get(name)
            if column is None:
                rows[:, place] = np.nan
            elif name in self._codes:
                rows[:, place] = self._coded(name, column.ravel().tolist())
            else:
                rows[:, place] = column if column.ndim == 1 else column.reshape(count)
        return rows

    def _coded(self, name: str, values: List[Any]) -> List[float]:
        codes = self._codes[name]
        try:
            return [codes[value] for value in values]
        except (KeyError, TypeError):
            return [_code(name, codes, value) for value in values]


def load(path: Path, options: EngineOptions) -> XgboostEngine:
    """Load a booster. ``options.options`` are ``written_by``, the version that wrote the file; ``rounds``, how many of
    its rounds are used (all); ``categories`` by column; and ``threads``.

    Raises:
        LoadError: XGBoost refuses the file, or is older than the one that wrote it.
    """
    own = options.options
    threads = int(own.get("threads", 0)) or (options.threads if path.stat().st_size >= SMALL else 1)
    try:
        _require_version(path, str(own.get("written_by", "")))
        booster = Booster(_content(path), max(1, threads), int(own.get("rounds", 0)))
        return XgboostEngine(path, booster, own.get("categories", {}))
    except LibraryError as error:
        raise LoadError(f"{path.name} cannot be loaded: {error}", "Save it again as model.ubj.") from error


def _require_version(path: Path, written_by: str) -> None:
    """An older XGBoost loads a newer one's file without complaint, and answers wrong."""
    here = version()
    if written_by and tuple(map(int, written_by.split("."))) > here:
        raise LoadError(
            f"{path.name} was written by XGBoost {written_by}, and this is {'.'.join(map(str, here))}, which would "
            f"answer wrong",
            "Install the newer one, or train and save the model with this one.",
        )


def _content(path: Path) -> bytes:
    """XGBoost takes no byte order mark and no space before the first brace."""
    return path.read_bytes().lstrip(b"\xef\xbb\xbf \t\r\n")


def _sole(inputs: Any) -> np.ndarray:
    values = list(inputs.values()) if isinstance(inputs, Mapping) else [inputs.to_numpy()]
    return np.ascontiguousarray(values[0] if len(values) == 1 else np.column_stack(values), np.float32)


def _code(name: str, codes: Mapping[Any, int], value: Any) -> float:
    """The code of a category, NaN for a missing one. Protocols may send text as bytes."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if value is None or value != value:  # noqa: PLR0124  # NaN
        return float("nan")
    code = codes.get(value)
    if code is None:
        known = ", ".join(map(repr, list(codes)[:20]))
        raise InvalidInput(f"input {name!r}: {value!r} is not a value that the model knows ({known})", field=name)
    return code


# What comes out, by the objective.


def _answering(configuration: Mapping[str, Any]) -> Tuple[Answer, Tuple[TensorSpec, ...]]:
    """What makes arrays by name of the library's array, and their specs."""
    objective = str(configuration["objective"]["name"])
    parameters = configuration["learner_model_param"]
    classes, targets = int(parameters.get("num_class", 0)), int(parameters.get("num_target", 1))
    several = (targets,) if targets > 1 else ()
    labels = tuple(map(str, range(classes if classes > 1 else 2)))
    if objective == "multi:softprob":
        return _most_probable, _classifier(labels)
    if objective == "binary:logistic" and not several:
        return _one_of_two, _classifier(labels)
    if objective == "binary:logistic":
        specs = (TensorSpec("label", "INT64", (-1, *several)), TensorSpec("probabilities", "FP32", (-1, *several)))
        return _each_by_itself, specs
    if objective in {"multi:softmax", "binary:hinge"}:
        return _labels, (TensorSpec("label", "INT64", (-1, *several), labels=() if several else labels),)
    name = "score" if objective.startswith("rank:") or objective == "binary:logitraw" else "prediction"
    return lambda result: {name: _narrow(result)}, (TensorSpec(name, "FP32", (-1, *several)),)


def _classifier(labels: Tuple[str, ...]) -> Tuple[TensorSpec, ...]:
    return (
        TensorSpec("label", "INT64", (-1,), labels=labels),
        TensorSpec("probabilities", "FP32", (-1, len(labels)), labels=labels),
    )


def _most_probable(result: np.ndarray) -> Dict[str, np.ndarray]:
    return {"label": result.argmax(axis=1), "probabilities": result}


def _one_of_two(result: np.ndarray) -> Dict[str, np.ndarray]:
    """The label is the second class above one half, as in XGBoost's scikit-learn interface."""
    return {
        "label": (result[:, 0] > 0.5).astype(np.int64),
        "probabilities": np.concatenate((1 - result, result), axis=1),
    }


def _each_by_itself(result: np.ndarray) -> Dict[str, np.ndarray]:
    return {"label": (result > 0.5).astype(np.int64), "probabilities": result}


def _labels(result: np.ndarray) -> Dict[str, np.ndarray]:
    return {"label": _narrow(result).astype(np.int64)}


def _narrow(result: np.ndarray) -> np.ndarray:
    return result[:, 0] if result.ndim == 2 and result.shape[1] == 1 else result
