"""TensorFlow Lite models on LiteRT's interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import DATATYPES

SMALL = 4 << 20
"""Bytes of artifact below which one thread is quicker than handing work to others."""

PREFERRED = "serving_default"


class Port(NamedTuple):
    """An input or output: its name for clients, its place in the interpreter, what it holds."""

    name: str
    place: int
    datatype: str
    shape: Tuple[int, ...]


class TfliteEngine:
    """One interpreter. The sizes of its tensors are those of the last request, and changed when others come."""

    def __init__(self, interpreter: Any, key: str, options: EngineOptions) -> None:
        self.model = interpreter
        self._stateful = bool(options.options.get("stateful"))
        runner = interpreter.get_signature_runner(key) if key else None
        self._inputs = _ports(runner.get_input_details() if runner else interpreter.get_input_details())
        self._outputs = _ports(runner.get_output_details() if runner else interpreter.get_output_details())
        # The interpreter's own calls reach its first graph only, and are three times as quick as a signature's.
        self._other_graph = runner if runner and _graph(interpreter, key) else None
        # A model made for one row takes more, one after the other.
        self._one_by_one = all(port.shape[:1] == (1,) for port in (*self._inputs, *self._outputs))
        self._labels = {spec.name: spec.labels for spec in options.signature.outputs}
        self._shapes: List[Tuple[int, ...]] = []

    def signature(self) -> Signature:
        def spec(port: Port) -> TensorSpec:
            shape = (-1, *port.shape[1:]) if self._one_by_one else port.shape
            return TensorSpec(port.name, port.datatype, shape, labels=self._labels.get(port.name, ()))

        return Signature(tuple(map(spec, self._inputs)), tuple(map(spec, self._outputs)))

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        arrays = [_as_bytes(inputs[port.name]) for port in self._inputs]
        if not self._one_by_one or len(arrays[0]) == 1:
            return self._run(arrays)
        answers = [self._run([array[row : row + 1] for array in arrays]) for row in range(len(arrays[0]))]
        return {port.name: np.concatenate([answer[port.name] for answer in answers]) for port in self._outputs}

    def _run(self, arrays: List[np.ndarray]) -> Dict[str, np.ndarray]:
        if self._stateful:
            self.model.reset_all_variables()
        try:
            if self._other_graph is not None:
                named = {port.name: array for port, array in zip(self._inputs, arrays)}
                answer: Dict[str, np.ndarray] = self._other_graph(**named)
                return answer
            return self._run_first_graph(arrays)
        except (RuntimeError, ValueError) as error:
            self._shapes = []
            if "out of bound" in str(error):
                reason = str(error).splitlines()[0].rpartition(": ")[2]
                raise InvalidInput(f"the model does not know a value that it was given: {reason}") from error
            raise

    def _run_first_graph(self, arrays: List[np.ndarray]) -> Dict[str, np.ndarray]:
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            for port, shape in zip(self._inputs, shapes):
                self.model.resize_tensor_input(port.place, shape)
            self.model.allocate_tensors()
            self._shapes = shapes
        for port, array in zip(self._inputs, arrays):
            self.model.set_tensor(port.place, array)
        self.model.invoke()
        return {port.name: self.model.get_tensor(port.place) for port in self._outputs}


def load(path: Path, options: EngineOptions) -> TfliteEngine:
    """Open an interpreter. ``options.options`` may hold ``threads``, and ``stateful`` where the model keeps values from
    one call to the next, which requests must not share.

    Raises:
        LoadError: LiteRT refuses the file, or it takes what cannot be sent.
    """
    from ai_edge_litert.interpreter import Interpreter

    threads = int(options.options.get("threads", 0))
    threads = threads or (max(1, options.threads) if path.stat().st_size >= SMALL else 1)
    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        key = _chosen(path, list(interpreter.get_signature_list()))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise LoadError(f"LiteRT cannot load {path.name}: {_reason(error)}", _hint(error)) from error
    return TfliteEngine(interpreter, key, options)


def _chosen(path: Path, keys: List[str]) -> str:
    """The signature that is served; "" where there is none, and the graph speaks for itself."""
    if PREFERRED in keys or len(keys) < 2:
        return PREFERRED if PREFERRED in keys else "".join(keys)
    raise LoadError(
        f"{path.name} has the signatures {', '.join(sorted(keys))}, and none is called {PREFERRED!r}",
        f"Convert the model with the one to serve alone, or as {PREFERRED!r}.",
    )


def _graph(interpreter: Any, key: str) -> int:
    """The number of the graph that a signature is of. No public call says it."""
    index: int = interpreter._interpreter.GetSubgraphIndexFromSignature(key)  # noqa: SLF001
    return index


def _ports(details: Any) -> List[Port]:
    named = details.items() if isinstance(details, dict) else [(detail["name"], detail) for detail in details]
    return [_port(name, detail) for name, detail in (sorted(named) if isinstance(details, dict) else named)]


def _port(name: str, detail: Mapping[str, Any]) -> Port:
    dtype = np.dtype(object if issubclass(detail["dtype"], bytes) else detail["dtype"])
    if dtype not in DATATYPES:
        raise LoadError(
            f"the tensor {name!r} holds {dtype}, which no protocol can carry",
            "Convert the model with inputs and outputs of numbers or strings.",
        )
    # The signature of a shape says -1 where a size is free; the shape itself always has numbers.
    shape = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return Port(name, int(detail["index"]), DATATYPES[dtype], tuple(int(size) for size in shape))


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """Strings as LiteRT wants them."""
    if array.dtype != np.object_:
        return array
    encoded = np.empty(array.size, np.object_)
    encoded[:] = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel().tolist()]
    return encoded.reshape(array.shape)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rpartition("ERROR: ")[2] if lines else type(error).__name__


def _hint(error: Exception) -> str:
    if "custom op" in str(error).lower() or "flex" in str(error).lower():
        return "Convert the model with TensorFlow Lite's own operators only, or package its SavedModel."
    return "Copy or convert it again."
