"""A signature as something to call: with arrays in, arrays out, and as little of Python between them as can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.tensor import DATATYPES

PREFERRED = "serving_default"
PREDICT = "tensorflow/serving/predict"
PRIVATE = ("__saved_model_init_op", "__saved_model_train_op")


class Port(NamedTuple):
    """An input or output. ``wide`` where clients see it as FP32, since numpy lacks its type (bfloat16)."""

    name: str
    datatype: str
    shape: Tuple[int, ...]
    dtype: Any
    wide: bool = False


class Callables(NamedTuple):
    """``model`` is TensorFlow's own object, for handlers. ``call`` takes an array an input, and gives one an output."""

    model: Any
    inputs: Tuple[Port, ...]
    outputs: Tuple[Port, ...]
    call: Callable[[Sequence[Any]], List[Any]]


def function_of(tf: Any, path: Path, key: str, tags: Sequence[str]) -> Callables:
    """A signature as a function of TensorFlow 2."""
    model = tf.saved_model.load(str(path), tags=list(tags))
    functions = dict(model.signatures)
    function = functions[key or chosen(path, {name: _is_usable(item) for name, item in functions.items()}, {})]
    inputs = tuple(port(tf, name, spec) for name, spec in sorted(function.structured_input_signature[1].items()))
    outputs = tuple(port(tf, name, spec) for name, spec in sorted(function.structured_outputs.items()))
    if len(inputs) + len(function.captured_inputs) != len(function.inputs) or len(outputs) != len(function.outputs):
        raise ValueError("its function takes or gives other tensors than its signature says")
    # A third of the time that calling the function takes, which checks and sorts what the dataplane did.
    run, constant = tf.raw_ops.StatefulPartitionedCall, tf.constant
    captured = list(function.captured_inputs)
    types = [tensor.dtype for tensor in function.outputs]

    def call(arrays: Sequence[Any]) -> List[Any]:
        answers = run(args=[constant(array) for array in arrays] + captured, Tout=types, f=function)
        return [answer.numpy() for answer in answers]

    return Callables(model, inputs, outputs, call)


def port(tf: Any, name: str, spec: Any) -> Port:
    """An input or output of TensorFlow's type and shape. One of which nothing is known counts rows of single values.

    Raises:
        LoadError: no protocol can carry it.
    """
    dtype = spec.dtype.base_dtype
    wide = dtype == tf.bfloat16
    plain = np.dtype(object) if dtype == tf.string else np.dtype(np.float32) if wide else np.dtype(dtype.as_numpy_dtype)
    if plain not in DATATYPES or (plain == np.dtype(object) and dtype != tf.string):
        raise LoadError(
            f"the tensor {name!r} is {dtype.name}, which no protocol can carry",
            "Export the model with dense tensors of numbers or strings.",
        )
    shape = (-1,) if spec.shape.rank is None else tuple(-1 if size is None else size for size in spec.shape.as_list())
    return Port(name, DATATYPES[plain], shape, dtype.as_numpy_dtype, wide)


def chosen(path: Path, usable: Dict[str, bool], methods: Dict[str, str]) -> str:
    """The signature to serve: serving_default, or the only one, or the only one for predictions.

    Raises:
        LoadError: there is none, or it is anybody's guess.
    """
    keys = sorted(key for key, fits in usable.items() if fits and key not in PRIVATE)
    for found in (
        [key for key in keys if key == PREFERRED],
        keys,
        [key for key in keys if methods.get(key) == PREDICT],
    ):
        if len(found) == 1:
            return found[0]
    raise LoadError(
        f"{path.name} has the signatures {', '.join(keys)}, and none is called {PREFERRED!r}"
        if keys
        else f"{path.name} has no signature, and so no names for its inputs",
        f"Save the model with signatures={{'{PREFERRED}': ...}}.",
    )


def _is_usable(function: Any) -> bool:
    return bool(function.structured_input_signature[1]) and isinstance(function.structured_outputs, dict)
