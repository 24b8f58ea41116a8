"""What an estimator's methods return, as arrays that a wire can carry, and what is known of them beforehand."""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.sklearn.inputs import Inputs
from modelbuild_runtime.engines.sklearn.probing import sample
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES

_ROWS = 2


def as_arrays(results: Sequence[Tuple[str, Any]]) -> Dict[str, np.ndarray]:
    """Arrays by name. One array an output where a model with several outputs returns a list of them."""
    arrays: Dict[str, np.ndarray] = {}
    for name, result in results:
        if isinstance(result, list):
            arrays.update({f"{name}_{i}": _array(item) for i, item in enumerate(result)})
        else:
            arrays[name] = _array(result)
    return arrays


def output_specs(inputs: Inputs, last: Any, call: Callable[[Any], Dict[str, np.ndarray]]) -> Tuple[TensorSpec, ...]:
    """The signature's outputs, from a prediction on made-up rows; what the classes say where there is none."""
    rows = sample(inputs, _ROWS)
    try:
        arrays = call(inputs.assemble(rows)) if rows else {}
    except Exception:  # noqa: BLE001  # made-up rows may be refused for any reason
        arrays = {}
    if arrays:
        return tuple(
            TensorSpec(name, DATATYPES[array.dtype], (-1, *array.shape[1:]), labels=_labels(name, array, last))
            for name, array in arrays.items()
        )
    classes = getattr(last, "classes_", None)
    if not isinstance(classes, np.ndarray) or not hasattr(last, "predict_proba"):
        return ()
    datatype = DATATYPES[_array(classes[:1]).dtype]
    names = tuple(str(value) for value in classes)
    return (
        TensorSpec("label", datatype, (-1,), labels=names),
        TensorSpec("probabilities", "FP64", (-1, len(names)), labels=names),
    )


def _labels(name: str, array: np.ndarray, last: Any) -> Tuple[str, ...]:
    """The classes: of the only label, or along the probabilities' last axis."""
    classes: Any = getattr(last, "classes_", ())
    output, _, number = name.partition("_")
    if number and isinstance(classes, list) and number.isdigit():
        classes = classes[int(number)]
    if isinstance(classes, list) or output not in {"label", "probabilities"}:
        return ()
    if output == "label" and array.ndim > 1:
        return ()
    if output == "probabilities" and array.shape[-1] != len(classes):
        return ()
    return tuple(str(value) for value in classes)


def _array(result: Any) -> np.ndarray:
    if hasattr(result, "toarray"):
        result = result.toarray()
    array: np.ndarray = np.asarray(result)
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype not in DATATYPES:
        return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(object)
    return array
