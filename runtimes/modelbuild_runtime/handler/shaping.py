"""What preprocess returned, made into what the engine takes: arrays by name, or a frame."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Sequence, Union

import msgspec
import numpy as np

from modelbuild_runtime.handler.annotations import is_frame
from modelbuild_runtime.handler.records import is_pydantic
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import NUMPY

Features = Union[Dict[str, np.ndarray], Any]
"""Arrays by name, or a pandas.DataFrame where the model wants one."""


class Shaper:
    """Names, datatypes and ranks of one model's inputs."""

    def __init__(self, signature: Signature) -> None:
        self._specs = signature.inputs
        self._columns = signature.columns
        self._required = tuple(spec.name for spec in self._specs if not spec.optional)
        sole = self._specs[0] if len(self._specs) == 1 and self._specs[0].shape else None
        self._sole = (sole.name, NUMPY[sole.datatype], len(sole.shape)) if sole is not None else ("", None, -1)

    def stack(self, items: Sequence[Any]) -> Features:
        """One returned value a row to one batch."""
        rows = [fields_of(item) for item in items]
        first = rows[0]
        if isinstance(first, dict):
            names = self._names(first)
            specs = self._by_name()
            return {name: _stacked([_get(row, name) for row in rows], name, specs.get(name)) for name in names}
        if is_frame(type(first)):
            return self.batch(_concatenate(rows))
        if self._columns and hasattr(first, "__len__") and len(first) == len(self._specs) != 1:
            columns = zip(*rows) if all(len(row) == len(first) for row in rows) else ()
            return {spec.name: _stacked(list(values), spec.name, spec) for spec, values in zip(self._specs, columns)}
        spec = self._only()
        return {spec.name: _stacked(rows, spec.name, spec if spec.datatype else None)}

    def batch(self, value: Any) -> Features:
        """One returned value for the whole batch."""
        name, dtype, rank = self._sole
        if value.__class__ is np.ndarray and value.ndim == rank and value.dtype == dtype:
            return {name: value}
        value = fields_of(value)
        if is_frame(type(value)):
            return self._frame(value)
        if isinstance(value, Mapping):
            specs = self._by_name()
            return {name: _shaped(_get(value, name), name, specs.get(name)) for name in self._names(value)}
        if isinstance(value, (list, tuple)) and value and isinstance(fields_of(value[0]), dict):
            return self.stack(value)
        if not isinstance(value, (np.ndarray, list, tuple)) and not hasattr(value, "__array__"):
            raise TypeError(
                f"preprocess returned {_described(value)}; return a dict of arrays by input name, one array for a "
                f"model with one input, or a DataFrame"
            )
        if self._columns and len(self._specs) > 1 and np.shape(value)[1:] == (len(self._specs),):
            columns = np.asarray(value).T
            return {spec.name: _shaped(values, spec.name, spec) for spec, values in zip(self._specs, columns)}
        spec = self._only()
        return {spec.name: _shaped(value, spec.name, spec if spec.datatype else None)}

    def _frame(self, frame: Any) -> Features:
        """As it is for a model that wants one; else its columns by name, or all of them as the sole input."""
        if self._columns or not self._specs:
            return frame
        names = [str(name) for name in frame.columns]
        if set(self._required) <= set(names):
            specs = self._by_name()
            return {name: _shaped(frame[name].to_numpy(), name, specs[name]) for name in specs if name in frame.columns}
        spec = self._only()
        return {spec.name: _shaped(frame.to_numpy(), spec.name, spec)}

    def _names(self, value: Mapping[str, Any]) -> List[str]:
        """The model's inputs that were returned; others that a handler keeps for itself do not reach the model."""
        if not self._specs:
            return [str(name) for name in value]
        missing = [name for name in self._required if name not in value]
        if missing:
            raise ValueError(
                f"preprocess returned {_list(value)}, but not the model's input {missing[0]!r} "
                f"(its inputs are {_list(self._by_name())})"
            )
        return [spec.name for spec in self._specs if spec.name in value]

    def _only(self) -> TensorSpec:
        """The one input that a value without a name is for."""
        required = [spec for spec in self._specs if not spec.optional] or list(self._specs)
        if len(required) > 1:
            raise ValueError(
                f"preprocess returned one array, but the model has {len(required)} inputs: {_list(self._by_name())}; "
                f"return a dict by name"
            )
        return required[0] if required else TensorSpec("input", "", ())

    def _by_name(self) -> Dict[str, TensorSpec]:
        return {spec.name: spec for spec in self._specs}


def fields_of(value: Any) -> Any:
    """A record as a dict by field; anything else as it is."""
    if isinstance(value, (dict, np.ndarray, list, float, int, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if is_pydantic(type(value)):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return value


def _stacked(values: List[Any], name: str, spec: Union[TensorSpec, None]) -> np.ndarray:
    """Values of one input, one a row; each may carry a leading axis of one, as ``numpy.array([[...]])`` does."""
    array = _array(values, name, spec)
    if spec is None or not spec.shape:
        return array
    rank = len(spec.shape)
    if array.ndim == rank + 1 and array.shape[1] == 1:
        return array.reshape(array.shape[0], *array.shape[2:])
    return _shaped(array, name, spec)


def _shaped(value: Any, name: str, spec: Union[TensorSpec, None]) -> np.ndarray:
    """An array of the input's datatype and rank; one column for one value a row."""
    array = _array(value, name, spec)
    if spec is None or not spec.shape:
        return array
    if array.ndim == len(spec.shape) - 1 and spec.shape[-1] in {1, -1} and array.ndim == 1:
        return array.reshape(-1, 1)
    if array.ndim != len(spec.shape):
        raise ValueError(f"preprocess returned {name!r} of shape {array.shape}; the model takes {spec.shape}")
    return array


def _array(value: Any, name: str, spec: Union[TensorSpec, None]) -> np.ndarray:
    """Numbers may lose precision, never their kind: 1.5 does not become 1."""
    if spec is None:
        array = np.asarray(value)
        return array.astype(object) if array.dtype.kind in "US" else array
    wanted = NUMPY[spec.datatype]
    given: np.ndarray = value if isinstance(value, np.ndarray) else _from_list(value, name, wanted)
    if given.dtype == wanted:
        return given
    if given.dtype.kind in "US" and wanted.kind == "O":
        return given.astype(object)
    if given.dtype.kind == "O":
        return _from_list(given.tolist(), name, wanted)
    if not np.can_cast(given.dtype, wanted, "same_kind") and not _exact(given, wanted):
        raise TypeError(f"preprocess returned {name!r} as {given.dtype}; the model takes {spec.datatype}")
    return given.astype(wanted)


def _from_list(value: Any, name: str, wanted: np.dtype) -> np.ndarray:
    """Without a datatype first: ``numpy.array([1.5], int)`` would cut silently."""
    if wanted.kind in "fO":
        try:
            return np.array(value, wanted)
        except (TypeError, ValueError) as error:
            raise TypeError(f"preprocess returned {name!r} with values that are not {wanted}: {error}") from error
    array = np.array(value)
    if array.size == 0 or array.dtype == wanted:
        return array.astype(wanted)
    if array.dtype.kind in "biu" and _exact(array, wanted):
        return array.astype(wanted)
    raise TypeError(f"preprocess returned {name!r} with values that are not {wanted}")


def _exact(array: np.ndarray, wanted: np.dtype) -> bool:
    """Whether whole numbers of another width or sign all fit."""
    if array.dtype.kind not in "biu" or wanted.kind not in "iu":
        return array.dtype.kind == "b" and wanted.kind == "f"
    if array.size == 0:
        return True
    limits = np.iinfo(wanted)
    return bool(int(array.min()) >= limits.min and int(array.max()) <= limits.max)


def _get(row: Mapping[str, Any], name: str) -> Any:
    try:
        return row[name]
    except KeyError:
        raise ValueError(f"preprocess returned no {name!r} for one of the rows") from None


def _concatenate(frames: List[Any]) -> Any:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _list(names: Any) -> str:
    return ", ".join(repr(str(name)) for name in names)


def _described(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
