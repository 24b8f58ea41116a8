"""What an estimator takes: a frame, an array of numbers, or an array of texts."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.sklearn import boosters
from modelbuild_runtime.engines.sklearn.columns import NUMERIC, Column, columns
from modelbuild_runtime.engines.sklearn.estimator import first_steps, parts
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec

ARRAY = "X"
"""The name of a single unnamed input: what scikit-learn's own methods call it."""

_BY_NAME = {"ColumnTransformer", "FunctionTransformer"}


class Inputs(NamedTuple):
    """``names`` are the features where there are any; ``kind`` is what the estimator is called with:
    "frame", "array" (of numbers, features side by side), "objects" (the same of mixed types), "matrix" (one array as
    it comes) or "text" (one array of strings).
    """

    kind: str
    names: Tuple[str, ...]
    columns: Tuple[Column, ...]

    def specs(self) -> Tuple[TensorSpec, ...]:
        """The signature's inputs; none where a datatype is not known."""
        if self.kind == "text":
            return (TensorSpec(ARRAY, "BYTES", (-1,)),)
        if self.kind == "matrix":
            if not self.columns:
                return ()
            return (TensorSpec(ARRAY, self.columns[0].datatype, (-1, len(self.columns))),)
        if not all(column.datatype for column in self.columns if column.used):
            return ()
        return tuple(
            TensorSpec(name, column.datatype, (-1,), column.optional, column.labels)
            for name, column in zip(self.names, self.columns)
            if column.used
        )

    def assemble(self, given: Any) -> Any:
        """What the estimator is called with, from arrays by name or from a frame."""
        if self.kind in {"matrix", "text"}:
            return _sole(given)
        if not isinstance(given, Mapping):
            return (
                given if self.kind == "frame" else self.assemble({str(n): given[n].to_numpy() for n in given.columns})
            )
        if self.kind == "array":
            return np.stack([_numbers(given, name) for name in self.names], axis=1)
        if not given:
            raise InvalidInput(f"no input was sent; the model has {', '.join(map(repr, self.names))}")
        count = len(next(iter(given.values())))
        arrays = [_values(given, name, column, count) for name, column in zip(self.names, self.columns)]
        if self.kind == "objects":
            return np.stack([array.astype(object) for array in arrays], axis=1)
        return _frame(self.names, arrays, self.columns)


def inputs_of(model: Any) -> Inputs:
    """Understand what a fitted estimator was fitted on."""
    names = [str(name) for name in getattr(model, "feature_names_in_", ())] or boosters.names(model)
    count = len(names) or int(getattr(model, "n_features_in_", 0) or 0) or len(boosters.features(model) or ())
    found = columns(model, count, names)
    if names:
        return Inputs("array" if _takes_array(model, found) else "frame", tuple(names), tuple(found))
    if not count:
        head = columns(model, 1, [])
        return Inputs("text" if head[0].datatype == "BYTES" else "matrix", (), ())
    if len({column.datatype for column in found}) == 1 and found[0].datatype:
        return Inputs("matrix", (), tuple(found))
    return Inputs("objects", tuple(f"x{i}" for i in range(count)), tuple(found))


def declared(inputs: Inputs, specs: Sequence[TensorSpec]) -> Inputs:
    """With the datatypes that the manifest declares for columns of these names."""
    types = {spec.name: spec for spec in specs}
    if not inputs.names:
        return inputs
    return inputs._replace(
        columns=tuple(
            column._replace(datatype=types[name].datatype, optional=types[name].optional) if name in types else column
            for name, column in zip(inputs.names, inputs.columns)
        )
    )


def _takes_array(model: Any, found: Sequence[Column]) -> bool:
    """Whether a model that was fitted on a frame gives the same for an array, which is three times quicker: nothing in
    it picks columns by name, and all of them are numbers.
    """
    if not all(column.datatype == NUMERIC and column.used and not column.labels for column in found):
        return False
    named = [part for part in parts(model) if "feature_names_in_" in vars(part)]
    if any(part not in first_steps(model) for part in named):
        return False
    return not any(
        type(part).__name__ in _BY_NAME
        or not type(part).__module__.startswith("sklearn.")
        or getattr(part, "_preprocessor", None) is not None
        or getattr(part, "_sklearn_output_config", None)
        for part in parts(model)
    )


def without_names(model: Any) -> Any:
    """A shallow copy that does not warn about arrays without names: its own first step no longer knows any."""
    import copy

    from sklearn.pipeline import Pipeline

    made = copy.copy(model)
    if isinstance(made, Pipeline):
        made.steps = [(made.steps[0][0], without_names(made.steps[0][1])), *made.steps[1:]]
    elif "feature_names_in_" in vars(made):
        del made.feature_names_in_
    return made


def _sole(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given.to_numpy()
    if len(given) == 1:
        return next(iter(given.values()))
    return np.column_stack(list(given.values()))


def _numbers(given: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    array = np.asarray(given[name], np.float64)
    return array if array.ndim == 1 else array.reshape(len(array))


def _values(given: Mapping[str, np.ndarray], name: str, column: Column, count: int) -> np.ndarray:
    """A column; one that was left out is missing in every row."""
    array: Optional[np.ndarray] = given.get(name)
    if array is None:
        return np.full(count, column.missing, object if column.datatype in {"BYTES", "BOOL", ""} else np.float64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return _texts(array, column.missing) if array.dtype.kind == "O" else array


def _texts(array: np.ndarray, missing: Any) -> np.ndarray:
    """Strings as pandas would have read them: text, and a missing value as the model was fitted on it."""
    flat: List[Any] = array.tolist()
    if all(type(item) is str for item in flat):
        return array
    made = np.empty(len(flat), object)
    made[:] = [missing if item is None else item.decode() if isinstance(item, bytes) else item for item in flat]
    return made


def _frame(names: Sequence[str], arrays: Sequence[np.ndarray], known: Sequence[Column]) -> Any:
    """Pandas would read None among texts as NaN: where the model was fitted on None, it stays."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: _categorical(name, array, column)
            if column.categories
            else pd.Series(array, dtype=object)
            if column.missing is None
            else array
            for name, array, column in zip(names, arrays, known)
        }
    )


def _categorical(name: str, array: np.ndarray, column: Column) -> Any:
    """Pandas' categories as they were in training. A value that is none of them is missing.

    Raises:
        InvalidInput: the model takes no other values than those it knows.
    """
    import pandas as pd

    categories = pd.Index(column.categories)
    codes = categories.get_indexer(array)
    lost = array[(codes < 0) & ~pd.isna(array)] if column.strict else array[:0]
    if len(lost):
        known = ", ".join(map(repr, column.categories[:20]))
        raise InvalidInput(f"input {name!r}: {lost[0]!r} is not a value that the model knows ({known})", field=name)
    return pd.Categorical.from_codes(codes, categories)
