"""What results of statsmodels predict from: the columns of a formula, those of a frame, or an array."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.signature import TensorSpec

ARRAY = "X"
"""The name of the one input of a model that was fitted on an array."""

CONSTANT = "const"
"""The column of ones that statsmodels.api.add_constant adds. Who does not send it has it."""

_WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?!\w)(?!\s*\()")
_QUOTED = re.compile(r"""Q\(\s*['"](.*?)['"]\s*\)""")


class Column(NamedTuple):
    """A column by name; ``labels`` are the values that a category had when the model was fitted."""

    name: str
    datatype: str
    labels: Tuple[str, ...] = ()

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(self.name, self.datatype, (-1,), self.name == CONSTANT, self.labels)


def of_formula(formula: str, frame: Any) -> List[Column]:
    """The columns that a formula uses, as they were in the frame that the model was fitted on."""
    _, _, right = formula.rpartition("~")
    words = {*_WORD.findall(_QUOTED.sub("", right)), *_QUOTED.findall(right)}
    return [_column(str(name), frame[name]) for name in frame.columns if str(name) in words]


def of_names(names: Sequence[str]) -> List[Column]:
    """The columns of a frame of numbers."""
    return [Column(str(name), "FP64") for name in names]


def matrix(columns: Sequence[Column], given: Mapping[str, np.ndarray]) -> np.ndarray:
    """Columns of numbers side by side."""
    count = _count(columns, given)
    rows = np.ones((count, len(columns)))
    for place, column in enumerate(columns):
        if column.name in given:
            rows[:, place] = given[column.name].reshape(count)
        elif column.name != CONSTANT:
            raise InvalidInput(f"input {column.name!r} is missing", field=column.name)
    return rows


def checked(columns: Sequence[Column], given: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The columns of a formula.

    Raises:
        InvalidInput: one is missing, or a value was not there when the model was fitted.
    """
    count = _count(columns, given)
    made: Dict[str, np.ndarray] = {}
    for column in columns:
        array = given.get(column.name)
        if array is None:
            raise InvalidInput(f"input {column.name!r} is missing", field=column.name)
        flat = array.reshape(count)
        made[column.name] = _texts(column, flat.tolist()) if column.datatype == "BYTES" else flat
    return made


def frame(columns: Mapping[str, np.ndarray]) -> Any:
    """A data frame, for formulas that need one."""
    import pandas as pd

    return pd.DataFrame(columns)


def _column(name: str, values: Any) -> Column:
    kind = getattr(values.dtype, "kind", "O")
    if kind == "b":
        return Column(name, "BOOL")
    if kind in "iuf":
        return Column(name, "FP64")
    known = sorted({str(value) for value in values if isinstance(value, str)})
    return Column(name, "BYTES", tuple(known))


def _count(columns: Sequence[Column], given: Mapping[str, np.ndarray]) -> int:
    if not given:
        raise InvalidInput(f"no input was sent; the model has {', '.join(repr(column.name) for column in columns)}")
    return len(next(iter(given.values())))


def _texts(column: Column, values: List[Any]) -> np.ndarray:
    texts = [value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value for value in values]
    for text in texts if column.labels else ():
        if text not in column.labels:
            known = ", ".join(map(repr, column.labels[:20]))
            raise InvalidInput(
                f"input {column.name!r}: {text!r} is not a value that the model knows ({known})", field=column.name
            )
    made = np.empty(len(texts), object)
    made[:] = texts
    return made
