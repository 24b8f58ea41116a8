"""scikit-learn's estimators: classifiers, regressors, clusterers, outlier detectors and transformers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.sklearn import estimator, quicker
from modelbuild_runtime.engines.sklearn.exemplified import known_by_example
from modelbuild_runtime.engines.sklearn.inputs import declared, inputs_of, without_names
from modelbuild_runtime.engines.sklearn.outputs import as_arrays, output_specs
from modelbuild_runtime.engines.sklearn.probing import known_by_trying
from modelbuild_runtime.engines.sklearn.reading import read
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature

_SCALAR = re.compile(r"np\.\w+\(([^()]*)\)")
_UNKNOWN = re.compile(r"Found unknown categories \[(.+?)\] in column (\d+) during transform")


class SklearnEngine:
    """One fitted estimator."""

    def __init__(self, model: Any, declared_signature: Signature, examples: Sequence[Any] = ()) -> None:
        self.model = model
        served = estimator.unwrap(model)
        estimator.refuse_dicts(served)
        inputs = declared(inputs_of(served), declared_signature.inputs)
        if inputs.kind == "frame" and importlib.util.find_spec("pandas") is None:
            what = "the model was fitted on a data frame, and pandas is not installed"
            raise LoadError(what, "Add it: --requirement pandas.")
        if inputs.kind == "array":
            served = without_names(served)
        self._transform, last = estimator.split(served)
        self._methods = estimator.methods(last)
        self._classes = last.classes_ if estimator.labels_follow(last) else None
        self._inputs = known_by_trying(known_by_example(inputs, examples, self._call), self._call)
        self._outputs = output_specs(self._inputs, last, self._call)
        self._quickest = quicker.quickest(served, self._transform, last, self._inputs, self._call)

    def signature(self) -> Signature:
        return Signature(self._inputs.specs(), self._outputs, columns=self._inputs.kind in {"frame", "array"})

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        try:
            return self._quickest(self._inputs.assemble(inputs))
        except ValueError as error:
            _explain(error, inputs)
            raise

    def _call(self, assembled: Any) -> Dict[str, np.ndarray]:
        """All outputs, after one transformation of the inputs."""
        features = assembled if self._transform is None else self._transform(assembled)
        if self._classes is None:
            return as_arrays([(name, method(features)) for name, method in self._methods])
        probabilities = self._methods[1][1](features)
        label = self._classes.take(probabilities.argmax(axis=1))
        return as_arrays([("label", label), ("probabilities", probabilities)])


def load(path: Path, options: EngineOptions) -> SklearnEngine:
    """Load an estimator. ``options.options`` may hold ``trusted``, the types in a skops file that were reviewed, and
    ``n_jobs``, the threads of one prediction (1: for one row, starting more costs more than it gives).

    Raises:
        LoadError: it cannot be loaded, or is no fitted estimator.
    """
    model = read(path, options.options.get("trusted", ()))
    if not hasattr(model, "get_params") and not any(hasattr(model, name) for name in ("predict", "transform")):
        raise LoadError(
            f"{path.name} holds a {type(model).__name__}, not an estimator",
            "Save the fitted pipeline itself, or write a handler with load(context) and predict(model, inputs).",
        )
    if not estimator.is_fitted(model):
        raise LoadError(f"the {type(model).__name__} in {path.name} is not fitted", "Save it after fit().")
    estimator.limit_jobs(model, int(options.options.get("n_jobs", 1)))
    return SklearnEngine(model, options.signature, options.examples)


def _explain(error: ValueError, given: Mapping[str, Any]) -> None:
    """Complaints of scikit-learn about values are the client's to hear, with the name of the column.

    Raises:
        InvalidInput: the complaint is about a value.
    """
    if isinstance(error, UnicodeDecodeError):
        name = next((str(n) for n in given if _is(given[n], error.object)), "")
        raise InvalidInput(f"{_input(name)}a text is not UTF-8", field=name) from error
    text = str(error)
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        value = _SCALAR.sub(r"\1", unknown.group(1))
        name = next((str(n) for n in given if _holds(given[n], value)), "")
        raise InvalidInput(f"{_input(name)}{value} is not a value that the model knows", field=name) from error
    if "contains NaN" in text or "contains infinity" in text:
        name = next((str(n) for n in given if not _finite(given[n])), "")
        raise InvalidInput(f"{_input(name)}the model takes no missing or infinite values", field=name) from error


def _is(column: Any, value: bytes) -> bool:
    return column.dtype == object and value in column.ravel().tolist()


def _input(name: str) -> str:
    return f"input {name!r}: " if name else ""


def _holds(column: Any, value: str) -> bool:
    return any(repr(item) in value or str(item) in value.split(", ") for item in np.asarray(column).ravel().tolist())


def _finite(column: Any) -> bool:
    array = np.asarray(column)
    if array.dtype.kind == "O":
        return all(item is not None and item == item for item in array.ravel().tolist())  # noqa: PLR0124  # NaN
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
