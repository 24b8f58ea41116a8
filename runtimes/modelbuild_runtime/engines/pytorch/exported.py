"""Programs of torch.export: a graph with the names, datatypes and shapes of what goes in and comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, List, Tuple

from modelbuild_runtime.engines.pytorch.devices import on_cpu
from modelbuild_runtime.engines.pytorch.program import Argument, Program
from modelbuild_runtime.engines.pytorch.values import datatype_of, flatten
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import TensorSpec

_MUTATING = ("BUFFER_MUTATION", "USER_INPUT_MUTATION", "PARAMETER_MUTATION", "TOKEN")


def open_program(torch: Any, path: Path) -> Program:
    """Load a .pt2 file.

    Raises:
        LoadError: it takes or gives what no protocol can carry.
    """
    exported = torch.export.load(on_cpu(path))
    nodes = {node.name: node for node in exported.graph.nodes}
    names = [spec.arg.name for spec in exported.graph_signature.input_specs if _is_user(spec)]
    arguments = tuple(_arguments(torch, exported, nodes, names))
    outputs = tuple(_outputs(torch, exported, nodes))
    return Program(exported, arguments, _call(exported), outputs)


def _is_user(spec: Any) -> bool:
    return bool(spec.kind.name in {"USER_INPUT", "USER_OUTPUT"})


def _arguments(torch: Any, exported: Any, nodes: Any, names: List[str]) -> Iterator[Argument]:
    """The tensors, by the names that ``forward`` has for them."""
    signature = exported.module_call_graph[0].signature
    own = getattr(signature, "forward_arg_names", None) or []
    shown = own if len(own) == len(names) else names
    for name, node_name in zip(shown, names):
        value = nodes[node_name].meta.get("val") if node_name in nodes else None
        if not isinstance(value, torch.Tensor):
            continue  # a constant of the export, not something to send
        _require(torch, f"input {name!r}", value)
        yield Argument(name, value.dtype, _shape(value))


def _outputs(torch: Any, exported: Any, nodes: Any) -> Iterator[TensorSpec]:
    specs = [spec for spec in exported.graph_signature.output_specs if _is_user(spec)]
    from torch.utils import _pytree as pytree

    made = pytree.tree_unflatten(list(range(len(specs))), exported.call_spec.out_spec)
    for name, place in flatten(made):
        node = nodes.get(getattr(specs[place].arg, "name", ""))
        value = node.meta.get("val") if node is not None else None
        if isinstance(value, torch.Tensor):
            _require(torch, f"output {name!r}", value)
            yield TensorSpec(name, datatype_of(torch, value.dtype), _shape(value))


def _require(torch: Any, what: str, value: Any) -> None:
    if not datatype_of(torch, value.dtype):
        raise LoadError(
            f"the {what} is {value.dtype}, which no protocol can carry",
            "Export the model with tensors of real numbers.",
        )


def _shape(value: Any) -> Tuple[int, ...]:
    return tuple(size if isinstance(size, int) else -1 for size in value.shape)


def _call(exported: Any) -> Any:
    """The graph itself with its weights, where it changes nothing: a quarter of the time that the module around it
    takes, which checks and takes apart what the dataplane checked.
    """
    from torch.utils import _pytree as pytree

    signature = exported.graph_signature
    if any(spec.kind.name in _MUTATING for spec in signature.output_specs):
        module = exported.module()

        def through_module(tensors: List[Any]) -> Any:
            positional, keywords = pytree.tree_unflatten(_filled(signature, tensors), exported.call_spec.in_spec)
            return module(*positional, **keywords)

        return through_module
    fixed = [_value(exported, spec) for spec in signature.input_specs]
    places = [place for place, spec in enumerate(signature.input_specs) if _is_sent(spec)]
    run, spec_of_result = exported.graph_module.forward, exported.call_spec.out_spec
    alone = spec_of_result == pytree.tree_structure(0)

    def through_graph(tensors: List[Any]) -> Any:
        arguments = list(fixed)
        for place, tensor in zip(places, tensors):
            arguments[place] = tensor
        result = run(*arguments)
        return result[0] if alone else pytree.tree_unflatten(list(result), spec_of_result)

    return through_graph


def _is_sent(spec: Any) -> bool:
    return _is_user(spec) and type(spec.arg).__name__ == "TensorArgument"


def _value(exported: Any, spec: Any) -> Any:
    """What the graph takes in this place, but for what is sent."""
    if _is_user(spec):
        return getattr(spec.arg, "value", None)
    if spec.target in exported.state_dict:
        return exported.state_dict[spec.target]
    return exported.constants[spec.target]


def _filled(signature: Any, tensors: List[Any]) -> List[Any]:
    sent = iter(tensors)
    return [next(sent) if _is_sent(spec) else spec.arg.value for spec in signature.input_specs if _is_user(spec)]
