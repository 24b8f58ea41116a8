"""Results of statsmodels: what a fitted model predicts for rows, and forecasts of time series."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.statsmodels import inputs as columns_of
from modelbuild_runtime.engines.statsmodels.inputs import ARRAY, Column
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

logger = logging.getLogger(__name__)

STEPS = "steps"
MOST_STEPS = 100_000
_BY_HAND = "Write a handler with load(context) and predict(model, inputs)."


class RowsEngine:
    """Predicts row by row."""

    def __init__(self, results: Any) -> None:
        self.model = results
        model = results.model
        formula, data = str(getattr(model, "formula", None) or ""), model.data
        self._formula = bool(formula) and getattr(data, "frame", None) is not None
        self._width = len(model.exog_names) - _thresholds(model)
        self._columns: List[Column] = []
        if self._formula:
            _require_design(data)
            self._columns = columns_of.of_formula(formula, data.frame)
        elif type(data).__name__ == "PandasData":
            self._columns = columns_of.of_names(model.exog_names[: self._width])
        self._classes = _classes(model)
        self._rows = _of_arrays(results)
        self._design: Any = None
        self._outputs = self._try()
        self._design = self._quicker_design()

    def signature(self) -> Signature:
        inputs = [column.spec for column in self._columns] or [TensorSpec(ARRAY, "FP64", (-1, self._width))]
        return Signature(tuple(inputs), self._outputs, columns=bool(self._columns))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        if not self._formula and not self._columns and type(inputs) is dict:
            return self._answer(next(iter(inputs.values())))
        given = inputs if isinstance(inputs, Mapping) else {str(name): inputs[name].to_numpy() for name in inputs}
        if self._formula:
            try:
                return self._answer(self._columns_of_formula(given))
            except Exception as error:
                if type(error).__name__ != "PatsyError":
                    raise
                raise InvalidInput(f"the formula refuses this input: {str(error).splitlines()[0]}") from error
        if self._columns:
            return self._answer(columns_of.matrix(self._columns, given))
        return self._answer(next(iter(given.values())))

    def _columns_of_formula(self, given: Mapping[str, np.ndarray]) -> Any:
        """The matrix of the formula, or a frame that statsmodels makes it of. What is missing makes NaN of its row."""
        checked = columns_of.checked(self._columns, given)
        if self._design is None:
            return columns_of.frame(checked)
        from patsy import NAAction, build_design_matrices

        keep = NAAction(on_NA="drop", NA_types=[])
        return np.asarray(build_design_matrices([self._design], checked, NA_action=keep)[0])

    def _quicker_design(self) -> Any:
        """What patsy made of the formula, where it works on arrays as it does on a frame: a tenth of the time."""
        data = self.model.model.data
        design = getattr(data, "design_info", None) or getattr(data, "model_spec", None)
        if not self._formula or not type(design).__module__.startswith("patsy"):
            return None
        row = self._row_of_ones()
        expected = self.predict(row)
        self._design = design
        try:
            answer = self.predict(row)
        except Exception:  # noqa: BLE001  # a formula may use what only a column of a frame has
            return None
        same = all(np.allclose(answer[name], array, rtol=1e-12, equal_nan=True) for name, array in expected.items())
        return design if same else None

    def _answer(self, rows: Any) -> Dict[str, np.ndarray]:
        result = self._rows(rows) if type(rows) is np.ndarray else self.model.predict(rows)
        made = np.asarray(result, np.float64)
        if len(made) != len(rows):
            raise InvalidInput("a value is missing, and the model's formula has no place for it")
        if made.ndim == 1:
            return {"prediction": made}
        label = made.argmax(axis=1)
        return {"label": self._classes[label] if len(self._classes) else label, "probabilities": made}

    def _row_of_ones(self) -> Dict[str, np.ndarray]:
        if not self._columns:
            return {ARRAY: np.ones((1, self._width))}
        kinds = {"BYTES": object, "BOOL": np.bool_}
        return {
            column.name: np.array([column.labels[0] if column.labels else 1], kinds.get(column.datatype, np.float64))
            for column in self._columns
        }

    def _try(self) -> Tuple[TensorSpec, ...]:
        """The outputs, from a prediction for a row of ones."""
        try:
            answer = self.predict(self._row_of_ones())
        except Exception as error:
            raise LoadError(f"the model cannot predict: {type(error).__name__}: {error}", _BY_HAND) from error
        if "prediction" in answer:
            return (TensorSpec("prediction", "FP64", (-1,)),)
        count = answer["probabilities"].shape[1]
        labels = tuple(map(str, self._classes if len(self._classes) == count else range(count)))
        kind = "BYTES" if answer["label"].dtype.kind == "O" else "INT64"
        return (
            TensorSpec("label", kind, (-1,), labels=labels),
            TensorSpec("probabilities", "FP64", (-1, count), labels=labels),
        )


def _of_arrays(results: Any) -> Callable[[np.ndarray], Any]:
    """How rows are predicted that are an array already: by the model itself, where its results only hand over to it."""
    from statsmodels.base.model import Results

    bare = getattr(results, "_results", results)  # without what makes series of arrays, and looks each name up for that
    if getattr(type(bare), "predict", None) is Results.predict and isinstance(bare.params, np.ndarray):
        model, params = bare.model, bare.params
        return lambda rows: model.predict(params, rows)
    predict = results.predict
    return lambda rows: predict(rows, transform=False)


class ForecastEngine:
    """Forecasts so many steps beyond what a model of a time series was fitted on."""

    batched = False

    def __init__(self, results: Any) -> None:
        self.model = results
        try:
            self._forecast(1)
        except Exception as error:
            raise LoadError(f"the model cannot forecast by itself: {error}", _BY_HAND) from error

    def signature(self) -> Signature:
        return Signature((TensorSpec(STEPS, "INT64", (1,)),), (TensorSpec("forecast", "FP64", (-1,)),))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        steps = int(np.asarray(inputs[STEPS]).ravel()[0])
        if not 0 < steps <= MOST_STEPS:
            raise InvalidInput(f"input {STEPS!r} must be from 1 to {MOST_STEPS}, not {steps}", field=STEPS)
        return {"forecast": self._forecast(steps)}

    def _forecast(self, steps: int) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that dates go on is told with every call
            made = np.asarray(self.model.forecast(steps), np.float64)
        if made.ndim != 1:
            raise ValueError(f"its forecast has {made.ndim} axes")
        return made


def load(path: Path, options: EngineOptions) -> Any:  # noqa: ARG001  # every engine takes them
    """Load pickled results.

    Raises:
        LoadError: they cannot be loaded, or are no results of a fitted model.
    """
    results = _unpickled(path)
    model = getattr(results, "model", None)
    if model is None or not hasattr(results, "predict"):
        raise LoadError(
            f"{path.name} holds a {type(results).__name__}, not the results of a fitted model",
            "Save what fit() returned: results.save('model.pickle').",
        )
    if hasattr(results, "forecast"):
        return ForecastEngine(results)
    if not getattr(model, "exog_names", None):
        raise LoadError(f"{path.name} holds a {type(results).__name__}, which does not predict rows", _BY_HAND)
    return RowsEngine(results)


def _unpickled(path: Path) -> Any:
    """Joblib reads plain pickles too, and those inside zlib, gzip, bz2, xz and lz4."""
    import joblib

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results = joblib.load(path)
    except ModuleNotFoundError as error:
        raise LoadError(
            f"{path.name} needs the module {error.name!r}, which is not installed",
            "Name its distribution with --requirement; a module of your own goes beside the handler.",
        ) from error
    except Exception as error:
        raise LoadError(
            f"{path.name} cannot be loaded: {type(error).__name__}: {error}",
            "It may have been written by another version: name it with --requirement statsmodels==VERSION.",
        ) from error
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        logger.warning("loading %s: %s", path.name, message)
    return results


def _require_design(data: Any) -> None:
    """What a formula became: kept under one name before 0.15, and under another since."""
    if getattr(data, "design_info", None) is None and getattr(data, "model_spec", None) is None:
        from statsmodels import __version__

        raise LoadError(
            f"the model has a formula that statsmodels {__version__} cannot restore",
            "Models with formulas that 0.14 and older wrote need --requirement 'statsmodels<0.15'.",
        )


def _thresholds(model: Any) -> int:
    """An ordinal model names its thresholds behind its columns."""
    return int(getattr(model, "k_levels", 1)) - 1 if hasattr(model, "k_levels") else 0


def _classes(model: Any) -> np.ndarray:
    """The values that the answer of a model of classes stands for; empty where it has none."""
    labels = getattr(model, "labels", None)
    if labels is None:
        named = getattr(model, "_ynames_map", None) or {}
        labels = [named[code] for code in sorted(named)]
    values = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if all(isinstance(value, str) for value in values) and not all(value.isdigit() for value in values):
        return np.array(values, object)
    return np.array([int(float(value)) for value in values], np.int64)
