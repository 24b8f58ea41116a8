"""What a module takes that its file does not say: what it was traced with, what examples show, what its weights
suggest. Nothing is believed that the module was not seen to accept.
"""

from __future__ import annotations

import itertools
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from modelbuild_runtime.engines.pytorch.exemplified import shown
from modelbuild_runtime.engines.pytorch.program import Argument, Program
from modelbuild_runtime.engines.pytorch.values import arrays

_ROWS = (1, 2, 3)
_UNSURE = 5
FREE = (8, 32, 224, 1)
"""What stands for a free size, one after the other."""

Known = Tuple[Argument, ...]


def learnt(torch: Any, program: Program, declared: Known, examples: Sequence[Any]) -> Program:
    """The program with arguments as they were seen to work; without any where nothing was."""
    wanted = program.arguments
    for candidate in _candidates(torch, program, declared, examples):
        sent = tuple(item for item in candidate if item.dtype is not None)
        if len(sent) == len([item for item in wanted if not item.optional]) or len(sent) == len(wanted):
            accepted = _accepted(torch, program, candidate)
            if accepted:
                return program._replace(arguments=accepted)
    return program


def _candidates(torch: Any, program: Program, declared: Known, examples: Sequence[Any]) -> Iterator[Known]:
    """Better knowledge first."""
    own = program.arguments
    needed = [place for place, item in enumerate(own) if not item.optional and item.dtype is None]
    if declared:
        types = {item.name: item for item in declared}
        if len(declared) == len(needed) == 1:  # the only one is meant, whatever it is called
            types.setdefault(own[needed[0]].name, declared[0]._replace(name=own[needed[0]].name))
        yield tuple(types.get(item.name, item)._replace(optional=item.optional) for item in own)
    found = shown(own, examples)
    if found:
        # Whole numbers may stand for any: each argument that has only such is tried as both.
        unsure = [name for name, (dtype, _) in found.items() if dtype.kind == "i"][:_UNSURE]
        for kinds in itertools.product((torch.int64, torch.float32), repeat=len(unsure)):
            yield tuple(_exemplified(torch, item, found, dict(zip(unsure, kinds))) for item in own)
    if any(item.shape is not None for item in own):
        yield tuple(item._replace(shape=(-1, *item.shape[1:])) if item.shape else item for item in own)
        yield own
    if len(needed) == 1:
        for dtype, shape in _suggested(torch, program.model):
            candidate = tuple(
                item._replace(dtype=dtype, shape=shape) if place == needed[0] else item
                for place, item in enumerate(own)
            )
            # A guess is right only where each row's answer is its own: a sequence's steps look like rows, too.
            if _rows_are_apart(torch, program, candidate):
                yield candidate


def _exemplified(torch: Any, item: Argument, found: Dict[str, Any], tried: Dict[str, Any]) -> Argument:
    if item.name not in found:
        return item
    dtype, shape = found[item.name]
    known = {"f": torch.float32, "b": torch.bool, "i": torch.int64}[dtype.kind]
    return item._replace(dtype=item.dtype or tried.get(item.name, known), shape=shape)


def _suggested(torch: Any, model: Any) -> Iterator[Tuple[Any, Tuple[int, ...]]]:
    """What the first weights of a module would be multiplied with."""
    for weight in [weight for weight in model.parameters() if weight.dim() > 1][:3]:
        if not weight.is_floating_point():
            continue
        size = weight.shape[1]
        if weight.dim() == 2:
            yield weight.dtype, (-1, size)
            yield torch.int64, (-1, -1)
            yield weight.dtype, (-1, -1, size)
        else:
            yield weight.dtype, (-1, size, *([-1] * (weight.dim() - 2)))


def _rows_are_apart(torch: Any, program: Program, candidate: Known) -> bool:
    """Whether rows that differ are answered alike alone and together, as far as that can be tried."""
    tensors = [zeros(torch, item, 2, FREE[0]) for item in candidate]
    for tensor in tensors:
        if tensor is not None:
            tensor[1:] = 1
    try:
        together = arrays(torch, program.call(tensors))
        for row in (0, 1):
            alone = arrays(torch, program.call([None if item is None else item[row : row + 1] for item in tensors]))
            if not all(_is_row(alone[name], together[name], row) for name in together):
                return False
    except Exception:  # noqa: BLE001  # with another size it may be taken: who accepts it tries those
        return True
    return True


def _is_row(alone: np.ndarray, together: np.ndarray, row: int) -> bool:
    near = together.shape[:1] == (2,) and alone.shape == together[row : row + 1].shape
    return near and bool(np.allclose(alone, together[row : row + 1], rtol=1e-3, atol=1e-4, equal_nan=True))


class _Seen(NamedTuple):
    """Whether each output had an entry a row."""

    by_row: bool


def _accepted(torch: Any, program: Program, candidate: Known) -> Known:
    """The arguments, if calls with them work. The leading size stays free where it counts the rows of all outputs."""
    for free in FREE if any(-1 in (item.shape or ())[1:] for item in candidate) else (8,):
        seen = [_try(torch, program, candidate, rows, free) for rows in _ROWS]
        if all(item is not None and item.by_row for item in seen):
            return candidate
    if all(-1 not in (item.shape or ()) for item in candidate) and _try(torch, program, candidate, 1, 8) is not None:
        return candidate
    return ()


def _try(torch: Any, program: Program, candidate: Known, rows: int, free: int) -> Any:
    tensors = [zeros(torch, item, rows, free) for item in candidate]
    try:
        made = arrays(torch, program.call(tensors))
    except Exception:  # noqa: BLE001  # whatever a module raises, it does not take this
        return None
    return _Seen(all(array.shape[:1] == (rows,) for array in made.values()))


def zeros(torch: Any, item: Argument, rows: int, free: int) -> Any:
    """A tensor for an argument, with ``free`` for its free sizes; None where nothing tells what it is."""
    if item.dtype is None or item.shape is None:
        return None
    sizes: List[int] = [free if size < 0 else size for size in item.shape]
    if item.shape and item.shape[0] < 0:
        sizes[0] = rows
    return torch.zeros(sizes, dtype=item.dtype)
