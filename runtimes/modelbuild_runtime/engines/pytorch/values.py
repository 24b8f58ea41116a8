"""Between arrays and tensors: datatypes, and whatever a module returns as arrays by name."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Tuple

import numpy as np

from modelbuild_runtime.tensor import DATATYPES


def datatype_of(torch: Any, dtype: Any) -> str:
    """The datatype that clients see; "" where no protocol can carry it."""
    names = {
        torch.bool: "BOOL",
        torch.uint8: "UINT8",
        torch.uint16: "UINT16",
        torch.uint32: "UINT32",
        torch.uint64: "UINT64",
        torch.int8: "INT8",
        torch.int16: "INT16",
        torch.int32: "INT32",
        torch.int64: "INT64",
        torch.float16: "FP16",
        torch.float32: "FP32",
        torch.float64: "FP64",
        # numpy has no bfloat16: clients send and get FP32, of which it is the upper half.
        torch.bfloat16: "FP32",
    }
    return names.get(dtype, "")


def feed(torch: Any, dtype: Any = None) -> Callable[[np.ndarray], Any]:
    """From an array to a tensor of its own memory: modules may work in place, and arrays are the client's."""
    make = torch.from_numpy
    if dtype is torch.bfloat16:
        return lambda array: make(array.copy()).to(dtype)
    return lambda array: make(array.copy())


def flatten(result: Any, name: str = "") -> Iterator[Tuple[str, Any]]:
    """What a module returned, by name: the keys of mappings, the fields of named tuples, the places in others. A single
    value is called ``output``. What is None is left out.
    """
    if result is None:
        return
    if isinstance(result, dict):
        for key, value in result.items():
            yield from flatten(value, f"{name}_{key}" if name else str(key))
    elif hasattr(result, "_fields"):
        for key in result._fields:
            yield from flatten(getattr(result, key), f"{name}_{key}" if name else key)
    elif isinstance(result, (list, tuple)):
        for place, value in enumerate(result):
            yield from flatten(value, f"{name or 'output'}_{place}")
    else:
        yield name or "output", result


def arrays(torch: Any, result: Any) -> Dict[str, np.ndarray]:
    """What a module returned, as arrays by name.

    Raises:
        TypeError: there is something among it that no protocol can carry.
    """
    if type(result) is torch.Tensor:
        return {"output": _array(torch, "output", result)}
    return {name: _array(torch, name, value) for name, value in flatten(result)}


def _array(torch: Any, name: str, value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        if value.dtype is torch.bfloat16:
            value = value.float()
        elif value.is_sparse or value.is_quantized:
            value = value.to_dense() if value.is_sparse else value.dequantize()
        array: np.ndarray = value.numpy()
    else:
        array = np.asarray(value, object if isinstance(value, str) else None)
    if array.dtype not in DATATYPES or (array.dtype == np.object_ and not isinstance(value, str)):
        raise TypeError(
            f"the output {name!r} is a {getattr(value, 'dtype', type(value).__name__)}, not a tensor that can be sent"
        )
    return array
