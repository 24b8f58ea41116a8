"""MLflow's python_function: any model that MLflow can load, called as its scoring server calls it."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

import numpy as np

from modelbuild_runtime.engines.mlflow.params import Params
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import DATATYPES, NUMPY

COLUMNS = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
"""Types of a column, by MLflow's names."""

ANSWER = "prediction"
ARRAY = "input"
"""What a tensor without a name is called."""


class PyfuncEngine:
    """One loaded model; ``parameters`` are those that its signature lets requests set."""

    def __init__(self, model: Any) -> None:
        self.model = model
        metadata = model.metadata
        inputs, outputs = metadata.get_input_schema(), metadata.get_output_schema()
        self._tensors = inputs is not None and inputs.is_tensor_spec()
        self._inputs = _inputs_of(inputs)
        self._lone = self._tensors and not inputs.has_input_names()
        self._dates, self._binary = _named_types(inputs, "datetime"), _named_types(inputs, "binary")
        self._outputs = _outputs_of(outputs)
        self._names = [spec.name for spec in self._outputs]
        self._params = Params(getattr(metadata, "get_params_schema", lambda: None)())  # MLflow before 2.6 had none
        self.parameters = self._params.described

    def signature(self) -> Signature:
        return Signature(self._inputs, self._outputs, columns=not self._tensors)

    def predict(
        self, inputs: Mapping[str, np.ndarray], parameters: Optional[Mapping[str, Any]] = None
    ) -> Dict[str, np.ndarray]:
        from mlflow.exceptions import MlflowException

        given = self._given(inputs)
        params = self._params.checked(parameters)
        try:
            result = self.model.predict(given, params=params) if params else self.model.predict(given)
        except MlflowException as error:
            if error.error_code not in {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}:
                raise
            raise InvalidInput(f"the model refuses this input: {error.message.splitlines()[0]}") from error
        return self._answer(result)

    def _given(self, inputs: Any) -> Any:
        """A frame, an array, or arrays by name, with text as text."""
        if self._lone:
            return _readable(next(iter(inputs.values())))
        if self._tensors:
            return {name: _readable(array) for name, array in inputs.items()}
        import pandas as pd

        if not isinstance(inputs, Mapping):
            return inputs
        frame = pd.DataFrame({name: self._cells(name, array) for name, array in inputs.items()})
        for name in self._dates & set(frame):
            frame[name] = _times(name, frame[name])
        return frame

    def _cells(self, name: str, array: np.ndarray) -> Any:
        if array.ndim > 1:
            return list(array)
        return array.tolist() if name in self._binary else _readable(array)

    def _answer(self, result: Any) -> Dict[str, np.ndarray]:
        """Arrays by name of whatever the model returned: an array, a frame, a series, a list, or arrays by name."""
        if hasattr(result, "columns") and hasattr(result, "to_numpy"):
            return {str(name): _plain(result[name].to_numpy()) for name in result.columns}
        if isinstance(result, Mapping):
            return {str(name): _plain(np.asarray(value)) for name, value in result.items()}
        name = self._names[0] if len(self._names) == 1 else getattr(result, "name", None) or ANSWER
        array = result.to_numpy() if hasattr(result, "to_numpy") else _array(result)
        return {str(name): _plain(array)}


def load_pyfunc(path: Path) -> PyfuncEngine:
    """Load a folder as MLflow does.

    Raises:
        LoadError: MLflow, or what the model needs, refuses.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # It compares what is installed with the folder's requirements, for which the builder has seen to already.
    os.environ.setdefault("MLFLOW_REQUIREMENTS_INFERENCE_RAISE_ERRORS", "false")
    import mlflow.pyfunc

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PyfuncEngine(mlflow.pyfunc.load_model(str(path), suppress_warnings=True))
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = f"Require it: --requirement {error.name}."
        raise LoadError(f"MLflow cannot load {path.name}: {type(error).__name__}: {lines[0]}", hint) from error


# Signatures.


def _inputs_of(schema: Any) -> Tuple[TensorSpec, ...]:
    """Empty where there is none, or where a column is something that no tensor says."""
    if schema is None:
        return ()
    if schema.is_tensor_spec():
        return tuple(_tensor(item, ARRAY) for item in schema.inputs)
    specs = [_column(item) for item in schema.inputs]
    return tuple(spec for spec in specs if spec) if all(spec and spec.name for spec in specs) else ()


def _outputs_of(schema: Any) -> Tuple[TensorSpec, ...]:
    """What MLflow says of the answer, where it says it exactly."""
    if schema is None:
        return ()
    if schema.is_tensor_spec():
        return tuple(_tensor(item, ANSWER) for item in schema.inputs)
    specs = [_column(item) for item in schema.inputs]
    if len(specs) == 1 and specs[0] is not None:
        return (TensorSpec(specs[0].name or ANSWER, specs[0].datatype, specs[0].shape),)
    return tuple(spec for spec in specs if spec) if all(spec and spec.name for spec in specs) else ()


def _column(item: Any) -> Optional[TensorSpec]:
    kind, shape = item.type, [-1]
    if type(kind).__name__ == "Array":
        kind, shape = kind.dtype, [-1, -1]
    datatype = COLUMNS.get(getattr(kind, "name", ""))
    if datatype is None:
        return None
    return TensorSpec(str(item.name or ""), datatype, tuple(shape), optional=not item.required)


def _tensor(item: Any, name: str) -> TensorSpec:
    dtype = np.dtype(item.type)
    return TensorSpec(item.name or name, DATATYPES.get(dtype, "BYTES"), tuple(int(size) for size in item.shape))


def _named_types(schema: Any, kind: str) -> Set[str]:
    if schema is None or schema.is_tensor_spec():
        return set()
    return {item.name for item in schema.inputs if getattr(item.type, "name", "") == kind}


# Arrays.


def _readable(array: np.ndarray) -> np.ndarray:
    """Text as str: protocols may send bytes."""
    if array.dtype.kind != "O":
        return array if array.flags.writeable else array.copy()
    flat = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in array.ravel().tolist()]
    made = np.empty(len(flat), object)
    made[:] = flat
    return made.reshape(array.shape)


def _times(name: str, texts: Any) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(texts)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"input {name!r} is no time: {error}", field=name) from error


def _array(result: Any) -> np.ndarray:
    """A list a row may hold anything."""
    if isinstance(result, np.ndarray):
        return result
    items: List[Any] = list(result) if isinstance(result, (list, tuple)) else [result]
    try:
        return np.asarray(items)
    except ValueError:  # rows of different lengths
        made = np.empty(len(items), object)
        made[:] = items
        return made


def _plain(array: np.ndarray) -> np.ndarray:
    """Of a datatype that can be sent: times and texts of a fixed length as text."""
    if array.dtype in DATATYPES and array.dtype != NUMPY["BYTES"]:
        return array
    if array.dtype.kind in "mM":
        return (
            np.datetime_as_string(array).astype(object) if array.dtype.kind == "M" else array.astype(str).astype(object)
        )
    return array.astype(object)
