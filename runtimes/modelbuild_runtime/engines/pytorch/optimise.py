"""PyTorch's programs as graphs of ONNX, by PyTorch's own exporters. Runs while an image is built, never in it.

What torch.export takes, programs of its own and modules, goes through the exporter of today. TorchScript is no longer
taken by that one, and goes through the one before.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import onnx
import torch

from modelbuild_runtime.engines.pytorch.learning import FREE, zeros
from modelbuild_runtime.engines.pytorch.values import flatten
from modelbuild_runtime.optimising.candidate import Candidate, CannotConvert, as_it_is, stand_in

ROWS = 3
"""Of what it is exported with: of one row, an exporter concludes that there is never another number of them."""


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """The graph; and where numbers that are none come to something else in it, the graph that refuses those."""
    yield Candidate("ONNX", partial(make, engine, {}))
    floats = [spec.name for spec in engine.signature().inputs if spec.datatype.startswith("FP")]
    if floats:
        refuse = {name: ["infinite", "missing"] for name in floats}
        yield Candidate("ONNX, of finite numbers", partial(make, engine, refuse))


def make(engine: Any, refuse: Mapping[str, List[str]], path: Path) -> Mapping[str, Any]:
    """Write the graph.

    Raises:
        CannotConvert: it is not known what the model takes, or a graph cannot take or answer that.
    """
    signature, program = engine.signature(), engine.program
    _require_rows(engine)
    with torch.no_grad():
        given, made = _shown(program)
        tensors = dict(flatten(made))
        if not all(isinstance(value, torch.Tensor) for value in tensors.values()):
            raise CannotConvert("not all that it answers is a tensor")
        if any(value.dtype is torch.bfloat16 for value in (*given, *tensors.values())):
            raise CannotConvert("it takes or answers bfloat16")
        outputs = _written(program, given, made, path)
    names = [item.name for item in onnx.load(path, load_external_data=False).graph.input]
    if len(names) != len(given):
        raise CannotConvert(f"the exporter leaves out some of {', '.join(spec.name for spec in signature.inputs)}")
    feeds = [as_it_is(name, spec.name, spec.datatype) for name, spec in zip(names, signature.inputs)]
    return stand_in(feeds, list(tensors), [outputs[name] for name in tensors], refuse)


def _require_rows(engine: Any) -> None:
    signature = engine.signature()
    if not signature.inputs:
        raise CannotConvert("it is not known what the model takes; an example shows it")
    for spec in signature.inputs:
        if spec.optional:
            raise CannotConvert(f"the input {spec.name!r} may be left out, and a graph's cannot")
        if not spec.shape or spec.shape[0] >= 0:
            raise CannotConvert(f"the input {spec.name!r} has a fixed number of rows")


def _shown(program: Any) -> Tuple[List[Any], Any]:
    """Tensors that the program takes, and what it makes of them."""
    reason = ""
    for free in FREE:
        given = [zeros(torch, item, ROWS, free) for item in program.arguments if item.shape is not None]
        try:
            return given, program.call(given)
        except Exception as error:  # noqa: BLE001  # of another size it may be taken
            reason = reason or str(error)
    raise CannotConvert(f"nothing was found that the model takes: {reason[:200]}")


def _written(program: Any, given: List[Any], made: Any, path: Path) -> Dict[str, str]:
    """Export to ``path``. Returns what the graph calls each output."""
    names = list(dict(flatten(made)))
    free = [
        {axis: torch.export.Dim.AUTO for axis, size in enumerate(item.shape) if size < 0}
        for item in program.arguments
        if item.shape is not None
    ]
    if isinstance(program.model, torch.export.ExportedProgram):
        torch.onnx.export(program.model, f=str(path), dynamo=True, external_data=False, verbose=False)
        names = _in_order(program.model)
    elif isinstance(program.model, torch.jit.ScriptModule):
        _export_script(_answering(program, names, made), given, free, path)
    else:
        model = _Tuple(program.model).eval()
        settings = {"dynamo": True, "external_data": False, "verbose": False}
        torch.onnx.export(model, tuple(given), str(path), dynamic_shapes=(tuple(free),), **settings)
    found = [item.name for item in onnx.load(path, load_external_data=False).graph.output]
    if len(found) != len(names):
        raise CannotConvert(f"the exporter answers {len(found)} tensors for {', '.join(names)}")
    return dict(zip(names, found))


class _Tuple(torch.nn.Module):  # type: ignore[misc,name-defined,unused-ignore]  # torch may not be here
    """A module whose answer is flat: exporters sort the keys of mappings in ways of their own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: Any) -> Tuple[Any, ...]:
        return tuple(value for _, value in flatten(self.model(*tensors)))


def _in_order(exported: Any) -> List[str]:
    """The names of a program's outputs, in the order of its graph."""
    from torch.utils import _pytree as pytree

    count = sum(spec.kind.name == "USER_OUTPUT" for spec in exported.graph_signature.output_specs)
    named = flatten(pytree.tree_unflatten(list(range(count)), exported.call_spec.out_spec))
    return [name for name, _ in sorted(named, key=lambda item: int(item[1]))]


def _answering(program: Any, names: Sequence[str], made: Any) -> Any:
    """A TorchScript module that answers a tuple where the one given answers a mapping, of which there is no graph."""
    if not isinstance(made, dict):
        return program.model
    if list(made) != list(names):
        raise CannotConvert("its answer is a mapping of more than tensors")
    taken = ", ".join(f"input_{place}" for place in range(len(program.arguments)))
    picked = ", ".join(f"found[{key!r}]" for key in made)
    module = torch.nn.Module()
    module.model = program.model
    module = torch.jit.script(module)
    module.define(f"def forward(self, {taken}):\n    found = self.model({taken})\n    return {picked}\n")
    return module.eval()


def _export_script(module: Any, given: Sequence[Any], free: Sequence[Mapping[int, Any]], path: Path) -> None:
    names = [f"input_{place}" for place in range(len(given))]
    axes = {name: {axis: f"{name}_{axis}" for axis in sizes} for name, sizes in zip(names, free)}
    torch.onnx.export(module, tuple(given), str(path), dynamo=False, input_names=names, dynamic_axes=axes)
