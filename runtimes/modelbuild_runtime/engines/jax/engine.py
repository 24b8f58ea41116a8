"""Functions that JAX exported, compiled for this machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.fixed_rows import rows_are_apart
from modelbuild_runtime.samples import FREE
from modelbuild_runtime.signature import Signature, TensorSpec
from modelbuild_runtime.tensor import DATATYPES

ARGUMENT, OUTPUT = "arg", "output"
_AGAIN = "Export it again with the JAX of the image, or name the JAX that it needs: --requirement 'jax>=VERSION'."


class JaxEngine:
    """One function. It is compiled anew for each number of rows, so that those are filled up to powers of two, where
    each row has its own answer.
    """

    def __init__(self, exported: Any, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], call: Any) -> None:
        self.model = exported
        self._inputs, self._outputs, self._call = tuple(inputs), tuple(outputs), call
        self._feeds = [_feed(value) for value in exported.in_avals]
        self._wide = [str(value.dtype) == "bfloat16" for value in exported.out_avals]
        rows = {str(value.shape[0]) if value.shape else "" for value in exported.in_avals}
        self.batched = len(rows) == 1 and all(spec.shape[:1] == (-1,) for spec in (*inputs, *outputs))
        self._fills = self.batched and rows_are_apart(self._run, self.signature(), FREE)

    def signature(self) -> Signature:
        return Signature(self._inputs, self._outputs)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        rows = len(inputs[self._inputs[0].name]) if self._fills else 0
        missing = (1 << (rows - 1).bit_length()) - rows if rows else 0
        if not missing:
            return self._run(inputs)
        filled = {name: np.concatenate([array, *[array[-1:]] * missing]) for name, array in inputs.items()}
        return {name: array[:rows] for name, array in self._run(filled).items()}

    def _run(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        answers = self._call(*[feed(inputs[spec.name]) for feed, spec in zip(self._feeds, self._inputs)])
        return {
            spec.name: np.asarray(answer, np.float32 if wide else None)
            for spec, answer, wide in zip(self._outputs, answers, self._wide)
        }


def load(path: Path, options: EngineOptions) -> JaxEngine:
    """Read an exported function. ``options.options`` may hold ``threads``.

    Raises:
        LoadError: JAX refuses the file, or the function takes what cannot be sent.
    """
    # How many threads one prediction takes is decided when JAX is first used.
    os.environ.setdefault("NPROC", str(int(options.options.get("threads", 0)) or max(1, options.threads)))
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    from jax import export

    _run_here(jax)
    try:
        exported = export.deserialize(bytearray(path.read_bytes()))
        inputs = _specs(exported.in_avals, _input_names(jax, exported))
        outputs = _specs(exported.out_avals, _output_names(jax, exported))
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"JAX {jax.__version__} cannot load {path.name}: {_first(error)}", _AGAIN) from error
    if any(value.dtype.itemsize == 8 for value in (*exported.in_avals, *exported.out_avals)):
        jax.config.update("jax_enable_x64", True)
    try:
        return JaxEngine(exported, inputs, outputs, _compiled(jax, exported))
    except ValueError as error:
        raise LoadError(f"JAX {jax.__version__} cannot run {path.name}: {_first(error)}", _AGAIN) from error


def _run_here(jax: Any) -> None:
    """Run functions in the thread that calls them: handing them to another and waiting takes longer than a small one
    does. It holds where JAX was not used before.
    """
    with contextlib.suppress(AttributeError):  # not every version of JAX has the choice
        jax.config.update("jax_cpu_enable_async_dispatch", False)


def _compiled(jax: Any, exported: Any) -> Callable[..., List[Any]]:
    """From arrays in the order of the inputs to arrays in that of the outputs."""
    trees = jax.tree_util

    def flat(*arrays: Any) -> Any:
        positional, named = trees.tree_unflatten(exported.in_tree, arrays)
        return trees.tree_leaves(exported.call(*positional, **named))

    compiled: Callable[..., List[Any]] = jax.jit(flat)
    return compiled


def _input_names(jax: Any, exported: Any) -> List[str]:
    """A function takes positional arguments and named ones. A single one that has names in it lends its own."""
    positional, named = jax.tree_util.tree_unflatten(exported.in_tree, range(exported.in_tree.num_leaves))
    alone = len(positional) == 1 and isinstance(positional[0], dict) and not named
    names = [_names(jax, item, "" if alone else f"{ARGUMENT}{place}") for place, item in enumerate(positional)]
    return [name for part in (*names, _names(jax, named, "")) for name in part]


def _output_names(jax: Any, exported: Any) -> List[str]:
    made = jax.tree_util.tree_unflatten(exported.out_tree, range(exported.out_tree.num_leaves))
    if isinstance(made, (tuple, list)):
        return [name for place, item in enumerate(made) for name in _names(jax, item, f"{OUTPUT}{place}")]
    return _names(jax, made, "" if isinstance(made, dict) else OUTPUT)


def _names(jax: Any, tree: Any, path: str) -> List[str]:
    """The places of the leaves: keys and numbers with dots between."""
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [".".join(filter(None, (path, *(_key(step) for step in steps)))) for steps, _ in found]


def _key(step: Any) -> str:
    return str(next(getattr(step, name) for name in ("key", "idx", "name") if hasattr(step, name)))


def _specs(values: Sequence[Any], names: Sequence[str]) -> Tuple[TensorSpec, ...]:
    return tuple(_spec(value, name) for value, name in zip(values, names))


def _spec(value: Any, name: str) -> TensorSpec:
    dtype = np.dtype(np.float32) if str(value.dtype) == "bfloat16" else np.dtype(value.dtype)
    if dtype not in DATATYPES:
        raise LoadError(
            f"{name!r} is {value.dtype}, which no protocol can carry",
            "Export a function of real numbers, integers or booleans.",
        )
    return TensorSpec(name, DATATYPES[dtype], tuple(size if isinstance(size, int) else -1 for size in value.shape))


def _feed(value: Any) -> Callable[[np.ndarray], Any]:
    if str(value.dtype) == "bfloat16":
        return lambda array: array.astype(value.dtype)
    return lambda array: array


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
