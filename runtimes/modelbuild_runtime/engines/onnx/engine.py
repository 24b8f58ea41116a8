"""ONNX models on onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy as np

from modelbuild_runtime.engines import Engine, EngineOptions
from modelbuild_runtime.engines.onnx import values
from modelbuild_runtime.engines.onnx.stand_in import StandIn
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature, TensorSpec

SMALL = 4 << 20
"""Bytes of artifact below which one thread is quicker than handing work to others."""

OLDEST_WITH_DEFAULTS = 4
"""IR versions before this one list every weight as an input; later ones list a default only if it may be replaced."""


class OnnxEngine:
    """One inference session."""

    def __init__(self, session: Any, inputs: Tuple[TensorSpec, ...], labels: Mapping[str, Tuple[str, ...]]) -> None:
        self.model = session
        self.batched = _row_counted(session)
        self._inputs = inputs
        self._labels = dict(labels)
        self._outputs = [output.name for output in session.get_outputs()]
        self._types = [output.type for output in session.get_outputs()]
        self._shapes = [output.shape for output in session.get_outputs()]
        self._feeds = _conversions(session)
        self._nested = any(not kind.startswith("tensor(") for kind in self._types)
        self._run = self._run_bfloat16 if "tensor(bfloat16)" in self._types else _run_of(session)

    def signature(self) -> Signature:
        """Labels of map outputs are known after the first prediction, or from the manifest."""
        outputs = zip(self._outputs, self._types, self._shapes)
        return Signature(
            self._inputs,
            tuple(values.output_spec(name, kind, shape, self._labels.get(name, ())) for name, kind, shape in outputs),
        )

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        if self._feeds:
            inputs = {name: self._feeds[name](name, v) if name in self._feeds else v for name, v in inputs.items()}
        results = dict(zip(self._outputs, self._run(self._outputs, inputs, None)))
        return self._flattened(results) if self._nested else results

    def _run_bfloat16(self, names: List[str], inputs: Mapping[str, Any], _options: None) -> List[np.ndarray]:
        """Outputs that onnxruntime cannot make arrays of are taken as its own values."""
        results = self.model.run_with_ort_values(names, {n: values.as_ort_value(v) for n, v in inputs.items()})
        return [values.from_ort_value(result) for result in results]

    def _flattened(self, results: Dict[str, Any]) -> Dict[str, np.ndarray]:
        flat = {}
        for name, result in results.items():
            flat[name], labels = values.flatten(result, self._labels.get(name, ()))
            if labels:
                self._labels[name] = labels
        return flat


def load(path: Path, options: EngineOptions) -> Engine:
    """Open a session on the CPU. ``options.options`` may hold ``threads``, and ``stands_for`` where the graph was made
    of another framework's model, whose signature is then the manifest's.

    Raises:
        LoadError: onnxruntime refuses the file, or the graph takes what cannot be sent.
    """
    # Its wheels send telemetry unless told otherwise before the import; the image sets this too.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    # Warnings about a wrongly declared output shape would come with every prediction.
    ort.set_default_logger_severity(3)
    settings = _session_options(ort, path, options)
    try:
        session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise LoadError(f"onnxruntime {ort.__version__} cannot load {path.name}: {_reason(error)}") from error
    if "stands_for" in options.options:
        return StandIn(session, _run_of(session), options.signature, options.options["stands_for"])
    inputs = [values.input_spec(node.name, node.type, node.shape) for node in session.get_inputs()]
    if _version(path) >= OLDEST_WITH_DEFAULTS:
        inputs += [
            values.input_spec(node.name, node.type, node.shape, optional=True)
            for node in session.get_overridable_initializers()
        ]
    labels = {spec.name: spec.labels for spec in options.signature.outputs if spec.labels}
    return OnnxEngine(session, tuple(inputs), labels)


def _session_options(ort: Any, path: Path, options: EngineOptions) -> Any:
    """Threads never spin: a spinning one is no faster on small models and burns a core between requests."""
    session = ort.SessionOptions()
    session.intra_op_num_threads = int(options.options.get("threads", 0)) or _threads(path, options.threads)
    session.inter_op_num_threads = 1
    session.log_severity_level = 3
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return session


def _threads(path: Path, available: int) -> int:
    """Weights may lie beside the graph, so that the folder's other files count when the graph is small."""
    folder = path.parent if path.is_file() else path
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return max(1, available) if size >= SMALL else 1


def _version(path: Path) -> int:
    """The IR version: a varint under tag 8, which writers put first. 0 where it is not there."""
    with path.open("rb") as file:
        head = file.read(2)
    return head[1] if len(head) == 2 and head[0] == 8 and head[1] < 0x80 else 0


def _run_of(session: Any) -> Any:
    """``run`` without what ``InferenceSession`` does around it in Python: it checks names that were checked before,
    which adds a fifth to the run of a small model.
    """
    return getattr(session, "_sess", session).run


def _reason(error: Exception) -> str:
    """The message without onnxruntime's prefix of codes and source lines."""
    text = str(error).split(" : ")[-1].strip()
    return text.splitlines()[0] if text else type(error).__name__


def _row_counted(session: Any) -> bool:
    """Whether the leading axis of every input counts rows: dynamic, and of one name where it has names."""
    leading = [node.shape[0] if node.shape else 1 for node in session.get_inputs()]
    if any(isinstance(size, int) and size >= 0 for size in leading):
        return False
    return len({size for size in leading if isinstance(size, str)}) <= 1


def _conversions(session: Any) -> Dict[str, Callable[[str, np.ndarray], Any]]:
    """Inputs that onnxruntime does not take as the dataplane makes them."""
    special = {"tensor(string)": values.text, "tensor(bfloat16)": values.to_bfloat16}
    nodes: List[Any] = [*session.get_inputs(), *session.get_overridable_initializers()]
    return {node.name: special[node.type] for node in nodes if node.type in special}
