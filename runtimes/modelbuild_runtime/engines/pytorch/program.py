"""A loaded model as something to call, whatever kind of file it came from."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Tuple

from modelbuild_runtime.signature import TensorSpec


class Argument(NamedTuple):
    """One tensor that a call takes. ``dtype`` is torch's, None where nothing tells it; ``shape`` has -1 for what is
    free, and is None where nothing tells it. An ``optional`` one may be left out.
    """

    name: str
    dtype: Any = None
    shape: Any = None
    optional: bool = False


class Program(NamedTuple):
    """``model`` is PyTorch's own object, for handlers. ``call`` takes a tensor an argument, None for an optional one
    that was not sent. ``outputs`` are specifications where the file has them. ``refusal`` is why it cannot be called
    with tensors by name, empty where it can.
    """

    model: Any
    arguments: Tuple[Argument, ...]
    call: Callable[[List[Any]], Any]
    outputs: Tuple[TensorSpec, ...] = ()
    refusal: str = ""
