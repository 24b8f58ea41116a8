"""TensorFlow SavedModels: functions of TensorFlow 2, or a session where those cannot be had."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.tensorflow import session
from modelbuild_runtime.engines.tensorflow.callables import Callables, Port, function_of
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

SMALL = 4 << 20
"""Bytes of artifact below which one thread is quicker than handing work to others."""

_PREFIX = re.compile(r"^(?:\{\{[^}]*\}\}\s*|\d+ root error\(s\) found\.\s*|\(\d+\) \S+:\s*)+")
_VALUE_ERRORS = ("InvalidArgumentError", "OutOfRangeError")


class TensorFlowEngine:
    """One signature of one model."""

    def __init__(self, found: Callables, labels: Mapping[str, Sequence[str]]) -> None:
        self.model = found.model
        self._inputs, self._outputs, self._call = found.inputs, found.outputs, found.call
        self._feeds: List[Callable[[np.ndarray], Any]] = [_feed(port) for port in found.inputs]
        # A model made for one row takes more, one after the other.
        self._one_by_one = all(port.shape[:1] == (1,) for port in (*found.inputs, *found.outputs))
        self._labels = {name: tuple(names) for name, names in labels.items()}

    def signature(self) -> Signature:
        def spec(port: Port) -> TensorSpec:
            shape = (-1, *port.shape[1:]) if self._one_by_one else port.shape
            return TensorSpec(port.name, port.datatype, shape, labels=self._labels.get(port.name, ()))

        return Signature(tuple(map(spec, self._inputs)), tuple(map(spec, self._outputs)))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        arrays = [feed(inputs[port.name]) for feed, port in zip(self._feeds, self._inputs)]
        if not self._one_by_one or len(arrays[0]) == 1:
            return self._run(arrays)
        rows = [self._run([array[row : row + 1] for array in arrays]) for row in range(len(arrays[0]))]
        return {port.name: np.concatenate([row[port.name] for row in rows]) for port in self._outputs}

    def _run(self, arrays: List[Any]) -> Dict[str, np.ndarray]:
        try:
            answers = self._call(arrays)
        except Exception as error:
            if type(error).__name__ in _VALUE_ERRORS:
                raise InvalidInput(f"the model refuses a value: {_reason(error)}") from error
            raise
        return {port.name: _plain(port, answer) for port, answer in zip(self._outputs, answers)}


def load(path: Path, options: EngineOptions) -> TensorFlowEngine:
    """Load the signature that ``options.options`` names as ``signature``, of the graph with ``tags``; it may also hold
    ``threads``.

    Raises:
        LoadError: TensorFlow refuses the folder in both of its ways, or it takes what cannot be sent.
    """
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    threads = int(options.options.get("threads", 0)) or _threads(path, options.threads)
    _limit(tf, threads)
    key, tags = options.options.get("signature", ""), list(options.options.get("tags", ["serve"]))
    labels = {spec.name: spec.labels for spec in options.signature.outputs if spec.labels}
    try:
        return TensorFlowEngine(function_of(tf, path, key, tags), labels)
    except LoadError:
        raise
    except Exception as error:  # noqa: BLE001  # what older writers left out shows in many ways
        try:
            return TensorFlowEngine(session.open_session(tf, path, key, tags, threads), labels)
        except LoadError:
            raise
        except Exception as other:
            raise LoadError(
                f"TensorFlow {tf.__version__} cannot load {path.name}: {_first(other)}", _hint(f"{error} {other}")
            ) from other


def _limit(tf: Any, threads: int) -> None:
    """One operator after the other, each on so many threads."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # TensorFlow runs already: the first model of a process decides


def _threads(path: Path, available: int) -> int:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return max(1, available) if size >= SMALL else 1


def _feed(port: Port) -> Callable[[np.ndarray], Any]:
    if port.wide:
        return lambda array: array.astype(port.dtype)
    return lambda array: array


def _plain(port: Port, answer: Any) -> np.ndarray:
    """An array of a datatype that numpy has."""
    return np.asarray(answer, np.float32 if port.wide else object if port.datatype == "BYTES" else None)


def _reason(error: Exception) -> str:
    """What is wrong with the value, without the names of nodes."""
    text = _PREFIX.sub("", str(getattr(error, "message", error)))
    return re.split(r"\s*\[\[|\s*\[Op:|\n", text)[0].strip() or type(error).__name__


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _hint(text: str) -> str:
    found = re.search(r"Op type not registered '(\w+)'", text)
    if found:
        return f"Import the package that brings the operator {found.group(1)} in a handler, and require it."
    return "Copy the whole folder again, or export the model with a current TensorFlow."
