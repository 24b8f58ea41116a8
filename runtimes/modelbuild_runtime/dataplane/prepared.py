"""The inputs of one request after they were checked, ready to be joined with those of others."""

from __future__ import annotations

from typing import Any, Hashable, Mapping, Tuple

import numpy as np

from modelbuild_runtime.tensor import Tensor

Prepared = Tuple[Any, int, Any]
"""The inputs, how many rows they are, and their key: only inputs with equal keys may be joined."""


def key_of(inputs: Mapping[str, Any]) -> Hashable:
    """Equal for inputs that can be joined: same names, datatypes and shapes but for the number of rows."""
    return tuple([(name, *_kind(value)) for name, value in inputs.items()])


def _kind(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.datatype, tuple(value.shape[1:])
    if isinstance(value, np.ndarray):
        return value.dtype.char, value.shape[1:]
    return ()
