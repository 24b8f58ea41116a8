"""Keras models, traced once and called as a function of TensorFlow: never ``predict()``, which costs milliseconds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import DATATYPES

SMALL = 4 << 20
"""Bytes of artifact below which one thread is quicker than handing work to others."""

_VALUE_ERRORS = ("InvalidArgumentError", "OutOfRangeError")
_PREFIX = re.compile(r"^(?:\{\{[^}]*\}\}\s*)+")


class Port(NamedTuple):
    """An input or output. ``wide`` where clients see it as FP32, since numpy lacks its type (bfloat16)."""

    name: str
    datatype: str
    shape: Tuple[int, ...]
    dtype: Any
    wide: bool = False


class KerasEngine:
    """One model, and the function that was traced of it."""

    def __init__(self, tf: Any, model: Any, labels: Mapping[str, Tuple[str, ...]]) -> None:
        self.model = model
        specs = _input_specs(tf, model)
        function = _traced(tf, model, list(specs.values()))
        self.function = function
        self._inputs = [_port(tf, name, spec) for name, spec in specs.items()]
        names = _output_names(model, function.structured_outputs, len(function.outputs))
        self._outputs = [_port(tf, name, tensor) for name, tensor in zip(names, function.outputs)]
        self._call = _called(tf, function)
        # A model made for one row takes more, one after the other.
        self._one_by_one = all(port.shape[:1] == (1,) for port in (*self._inputs, *self._outputs))
        self._labels = labels

    def signature(self) -> Signature:
        def spec(port: Port) -> TensorSpec:
            shape = (-1, *port.shape[1:]) if self._one_by_one else port.shape
            return TensorSpec(port.name, port.datatype, shape, labels=self._labels.get(port.name, ()))

        return Signature(tuple(map(spec, self._inputs)), tuple(map(spec, self._outputs)))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        arrays = [_fed(port, inputs[port.name]) for port in self._inputs]
        if not self._one_by_one or len(arrays[0]) == 1:
            return self._run(arrays)
        rows = [self._run([array[row : row + 1] for array in arrays]) for row in range(len(arrays[0]))]
        return {port.name: np.concatenate([row[port.name] for row in rows]) for port in self._outputs}

    def _run(self, arrays: List[np.ndarray]) -> Dict[str, np.ndarray]:
        try:
            answers = self._call(arrays)
        except Exception as error:
            if type(error).__name__ in _VALUE_ERRORS:
                raise InvalidInput(f"the model refuses a value: {_reason(error)}") from error
            raise
        return {port.name: _plain(port, answer) for port, answer in zip(self._outputs, answers)}


def load(path: Path, options: EngineOptions) -> KerasEngine:
    """Load a .keras or HDF5 file. ``options.options`` may hold ``threads``, and ``unsafe`` where its code may be run.

    Raises:
        LoadError: Keras refuses it, or lacks a class, or it takes what cannot be sent.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    _limit(tf, int(options.options.get("threads", 0)) or (options.threads if path.stat().st_size >= SMALL else 1))
    import keras

    labels = {spec.name: spec.labels for spec in options.signature.outputs if spec.labels}
    try:
        model = _opened(keras, path, safe=not options.options.get("unsafe", False))
        return KerasEngine(tf, model, labels)
    except LoadError:
        raise
    except Exception as error:
        text = str(error)
        raise LoadError(f"Keras {keras.__version__} cannot load {path.name}: {_first(text)}", _hint(text)) from error


def _opened(keras: Any, path: Path, *, safe: bool) -> Any:
    """Keras goes by the ending of the name, and names may be anything."""
    with path.open("rb") as file:
        ending = ".h5" if file.read(4) == b"\x89HDF" else ".keras"
    if path.suffix == ending or (ending == ".h5" and path.suffix == ".hdf5"):
        return keras.saving.load_model(str(path), compile=False, safe_mode=safe)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"model{ending}")
        link.symlink_to(path.resolve())
        return keras.saving.load_model(str(link), compile=False, safe_mode=safe)


def _limit(tf: Any, threads: int) -> None:
    """One operator after the other, each on so many threads."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(max(1, threads))
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # TensorFlow runs already: the first model of a process decides


def _input_specs(tf: Any, model: Any) -> Dict[str, Any]:
    """The inputs by name, in the order in which Keras flattens them.

    Raises:
        LoadError: the model does not know what it takes.
    """
    structure = _structure(model)
    if structure is not None:
        named = sorted(structure.items()) if isinstance(structure, dict) else [(t.name, t) for t in model.inputs]
        return {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in named}
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    if len(shapes) != 1 or not shapes[0] or not all(size is None or isinstance(size, int) for size in shapes[0]):
        raise LoadError(
            f"the model {type(model).__name__} does not say what it takes",
            "Save one that was built with keras.Input, or export it as a SavedModel: model.export(folder).",
        )
    # The first size is that of the batch on which it happened to be built.
    return {"x": tf.TensorSpec((None, *shapes[0][1:]), model.compute_dtype)}


def _structure(model: Any) -> Any:
    """The inputs as the model wants them: a dict, a list, or one; None for a class that was never told."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    # A sequence of layers has no such attribute.
    found = getattr(model, "input", None)
    return found if found is not None else inputs[0]


def _traced(tf: Any, model: Any, specs: Sequence[Any]) -> Any:
    """The model as one function of its inputs."""
    structure = _structure(model)

    def call(*arrays: Any) -> Any:
        if isinstance(structure, dict):
            return model(dict(zip(sorted(structure), arrays)), training=False)
        return model(list(arrays) if isinstance(structure, (list, tuple)) else arrays[0], training=False)

    return tf.function(call).get_concrete_function(*specs)


def _called(tf: Any, function: Any) -> Callable[[Sequence[Any]], List[Any]]:
    """A third of the time that calling the function takes, which checks and sorts what the dataplane did."""
    run, constant = tf.raw_ops.StatefulPartitionedCall, tf.constant
    captured, types = list(function.captured_inputs), [tensor.dtype for tensor in function.outputs]

    def call(arrays: Sequence[Any]) -> List[Any]:
        answers = run(args=[constant(array) for array in arrays] + captured, Tout=types, f=function)
        return [answer.numpy() for answer in answers]

    return call


def _output_names(model: Any, structure: Any, count: int) -> List[str]:
    """Keys where the model answers by name; otherwise the layers that answer."""
    if isinstance(structure, dict) and len(structure) == count:
        return sorted(structure)
    names: Optional[List[str]] = getattr(model, "output_names", None)
    layers = getattr(model, "layers", None)
    if not names and count == 1:
        names = [layers[-1].name] if layers and hasattr(model, "pop") else ["output"]
    names = list(names or ())
    if len(names) == count and len(set(names)) == count:
        return names
    return [f"output_{number}" for number in range(count)]


def _port(tf: Any, name: str, spec: Any) -> Port:
    dtype = spec.dtype.base_dtype
    wide = dtype == tf.bfloat16
    plain = np.dtype(object) if dtype == tf.string else np.dtype(np.float32) if wide else np.dtype(dtype.as_numpy_dtype)
    if plain not in DATATYPES or spec.shape.rank is None:
        raise LoadError(
            f"the tensor {name!r} is {dtype.name} of shape {spec.shape}, which no protocol can carry",
            "Save the model with dense tensors of numbers or strings.",
        )
    shape = tuple(-1 if size is None else size for size in spec.shape.as_list())
    return Port(name, DATATYPES[plain], shape, dtype.as_numpy_dtype, wide)


def _fed(port: Port, array: np.ndarray) -> np.ndarray:
    return array.astype(port.dtype) if port.wide else array


def _plain(port: Port, answer: Any) -> np.ndarray:
    return np.asarray(answer, np.float32 if port.wide else object if port.datatype == "BYTES" else None)


def _reason(error: Exception) -> str:
    """What is wrong with the value, without the names of nodes."""
    text = _PREFIX.sub("", str(getattr(error, "message", error)))
    return re.split(r"\s*\[\[|\s*\[Op:|\n", text)[0].strip() or type(error).__name__


def _first(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:300] if lines else "it says nothing"


def _hint(text: str) -> str:
    found = re.search(r"Could not locate (?:class|function) '([^']+)'", text) or re.search(
        r"Unknown layer: '?(\w+)", text
    )
    if found:
        return (
            f"Define or import {found.group(1)} in the handler module, and register it there: "
            "@keras.saving.register_keras_serializable()."
        )
    if "safe_mode" in text or "unsafe" in text.lower():
        return "It holds Python code. Write it as a layer, or package it with --allow-unsafe."
    return (
        "Save it again with Keras 3, or export it as a SavedModel with the Keras that wrote it: model.export(folder)."
    )
