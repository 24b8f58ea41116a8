"""TorchScript: a module with the names of what it takes, and, where it was traced, the tensors that it was shown."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

from modelbuild_runtime.engines.pytorch.program import Argument, Program

_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_TENSORS = {"Tensor": False, "Optional[Tensor]": True}


def open_program(torch: Any, path: Path) -> Program:
    """Load a TorchScript file on the CPU, wherever it was saved."""
    module = torch.jit.load(str(path), map_location="cpu")
    module.eval()
    if not hasattr(module, "forward"):
        return Program(module, (), module, refusal="it has no forward, or several")
    known = _traced(torch, path)
    taken = [item for item in module.forward.schema.arguments if item.name != "self"]
    arguments: List[Argument] = []
    for place, item in enumerate(taken):
        kind = str(item.type)
        if kind not in _TENSORS:
            if item.has_default_value():
                break  # what follows keeps its default too: arguments go by their places
            return Program(module, (), module, refusal=f"its forward takes {item.name}: {kind}, not a tensor")
        dtype, shape = known[place] if place < len(known) else (None, None)
        optional = _TENSORS[kind] or item.has_default_value()
        arguments.append(Argument(item.name, dtype, shape, optional))
    return Program(module, tuple(arguments), lambda tensors: module(*tensors))


class _Shown(pickle.Unpickler):
    """Reads datatypes and shapes of tensors, and finds nothing but these."""

    def __init__(self, torch: Any, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._torch = torch

    def persistent_load(self, pid: Any) -> Any:
        return pid[1]

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return getattr(self._torch, _STORAGES[name])
        known: Dict[Tuple[str, str], Any] = {
            ("torch._utils", "_rebuild_tensor_v2"): lambda dtype, _offset, size, *_: (dtype, tuple(size)),
            ("torch.jit._pickle", "restore_type_tag"): lambda value, _: value,
            ("collections", "OrderedDict"): dict,
        }
        return known[module, name]


def _traced(torch: Any, path: Path) -> Tuple[Any, ...]:
    """The datatype and shape of each tensor that ``forward`` was traced with; nothing where it was not."""
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith("/traced_inputs.pkl")), "")
        data = archive.read(name) if name else b""
    if not data:
        return ()
    try:
        found = tuple(_Shown(torch, data).load()["forward"])
    except Exception:  # noqa: BLE001  # it says more than must be known: without it, examples do
        return ()
    return found if all(isinstance(item, tuple) and len(item) == 2 for item in found) else ()
