"""PyTorch's modules and programs on the CPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.engines.pytorch import exported, scripted, weights
from modelbuild_runtime.engines.pytorch.learning import learnt
from modelbuild_runtime.engines.pytorch.program import Argument, Program
from modelbuild_runtime.engines.pytorch.values import arrays, datatype_of, feed
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import NUMPY

SMALL = 4 << 20
"""Bytes of artifact below which one thread is quicker than handing work to others."""

_REFUSED = re.compile(
    r"index out of range|shapes cannot be multiplied|[Ee]xpected .*input|must match|size mismatch|Sizes of tensors"
    r"|out of bounds|invalid for input of size|[Gg]iven groups|Kernel size can't be greater"
)


class TorchEngine:
    """One program."""

    def __init__(self, torch: Any, program: Program, labels: Mapping[str, Sequence[str]]) -> None:
        self.model = program.model
        self._torch, self.program = torch, program
        self._without_gradients = torch.inference_mode()  # one for all calls, of which there is one at a time
        self._labels = {name: tuple(names) for name, names in labels.items()}
        self._feeds = [(item.name, feed(torch, item.dtype)) for item in program.arguments]
        known = all(item.shape is not None for item in program.arguments if not item.optional)
        self._known = bool(program.arguments) and known
        self._float = next((item.dtype for item in _parameters(self.model) if item.is_floating_point()), torch.float32)

    def signature(self) -> Signature:
        if not self._known:
            return Signature()
        return Signature(
            tuple(self._input(item) for item in self.program.arguments if item.shape is not None),
            tuple(
                TensorSpec(spec.name, spec.datatype, spec.shape, labels=self._labels.get(spec.name, ()))
                for spec in self.program.outputs
            ),
        )

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        tensors = [make(inputs[name]) if name in inputs else None for name, make in self._feeds]
        if not self._known:
            tensors = self._unknown(inputs)
        try:
            with self._without_gradients:
                return arrays(self._torch, self.program.call(tensors))
        except (RuntimeError, IndexError) as error:
            if _REFUSED.search(str(error)):
                raise InvalidInput(f"the model refuses a value: {_reason(error)}") from error
            raise

    def _input(self, item: Argument) -> TensorSpec:
        return TensorSpec(item.name, datatype_of(self._torch, item.dtype), item.shape, optional=item.optional)

    def _unknown(self, inputs: Mapping[str, np.ndarray]) -> List[Any]:
        """Tensors of what nothing describes: by name, or by their order. Floats become what the weights are."""
        names = [item.name for item in self.program.arguments]
        named = inputs if set(inputs) <= set(names) else dict(zip(names, inputs.values()))
        missing = [item.name for item in self.program.arguments if not item.optional and item.name not in named]
        if missing or len(inputs) > len(names):
            raise InvalidInput(f"the model takes {', '.join(names)}", field=missing[0] if missing else "")
        return [self._tensor(named[name]) if name in named else None for name in names]

    def _tensor(self, array: np.ndarray) -> Any:
        tensor = self._torch.from_numpy(array.copy())
        return tensor.to(self._float) if tensor.is_floating_point() else tensor


def load(path: Path, options: EngineOptions) -> TorchEngine:
    """Load what the file is. ``options.options`` may hold ``threads``, and ``pickled``: that the file may run code.

    Raises:
        LoadError: PyTorch refuses the file, or its weights do not fit the handler's module.
    """
    import torch

    _limit(torch, int(options.options.get("threads", 0)) or _threads(path, options.threads))
    try:
        program = _open(torch, path, options)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"PyTorch {torch.__version__} cannot load {path.name}: {_reason(error)}", _hint(str(error))
        ) from error
    if program.refusal and not hasattr(options.handler, "predict"):
        raise LoadError(
            f"{path.name} cannot be asked by itself: {program.refusal}",
            "Write a handler with predict(model, inputs) that calls it.",
        )
    if program.arguments and not program.outputs:
        declared = tuple(_declared(torch, spec) for spec in options.signature.inputs)
        with torch.inference_mode():
            program = learnt(torch, program, declared, options.examples)
    return TorchEngine(torch, program, {spec.name: spec.labels for spec in options.signature.outputs if spec.labels})


def _open(torch: Any, path: Path, options: EngineOptions) -> Program:
    names = _members(path)
    if any(name.endswith("constants.pkl") for name in names) and any("/code/" in name for name in names):
        return scripted.open_program(torch, path)
    if any("/models/" in name or name == "serialized_exported_program.json" for name in names):
        return exported.open_program(torch, path)
    if options.options.get("pickled"):
        return weights.open_pickled(torch, path, options.handler)
    return weights.open_weights(torch, path, options.handler)


def _members(path: Path) -> List[str]:
    import zipfile

    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _limit(torch: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        torch.set_num_interop_threads(1)
    except RuntimeError:
        return  # PyTorch runs already: the first model of a process decides


def _threads(path: Path, available: int) -> int:
    return max(1, available) if path.stat().st_size >= SMALL else 1


def _declared(torch: Any, spec: TensorSpec) -> Argument:
    dtype = torch.from_numpy(np.empty(0, NUMPY[spec.datatype])).dtype if spec.datatype != "BYTES" else None
    return Argument(spec.name, dtype, tuple(spec.shape), spec.optional)


def _parameters(model: Any) -> Tuple[Any, ...]:
    return tuple(model.parameters()) if hasattr(model, "parameters") else ()


def _reason(error: Exception) -> str:
    """The last line of TorchScript's tracebacks; the first line of other messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if re.match(r"\w*Error: ", line)), lines[0] if lines else "")
    return told or type(error).__name__


def _hint(text: str) -> str:
    found = re.search(r"Unknown (?:builtin op|custom class)[^:]*: ?([\w:.]+)", text)
    if found:
        return f"Import the package that brings {found.group(1)} in a handler, and require it."
    if "CUDA" in text or "cuda" in text:
        return "Move the model to the CPU before it is saved: model.cpu()."
    return "Copy the file again, or save the model with a current PyTorch."
