"""The parts of a torch.export program that say what it is, from the JSON of its graph: what goes in and comes out.

Names of fields and numbers of datatypes are those of PyTorch's export schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DATATYPES = {
    1: "UINT8",
    2: "INT8",
    3: "INT16",
    4: "INT32",
    5: "INT64",
    6: "FP16",
    7: "FP32",
    8: "FP64",
    12: "BOOL",
    13: "FP32",  # bfloat16, of which FP32 is the wider form: numpy has none
    28: "UINT16",
    36: "UINT32",
    37: "UINT64",
}
_BUILTIN = {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", "collections.namedtuple"}


class ExportError(ValueError):
    """The JSON is no program, or one of a kind that is not known."""


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor in or out. ``datatype`` is empty for what no protocol can carry; -1 in ``shape`` is a free size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """``version`` is PyTorch's, empty where it does not say. ``operators`` are all that the graph calls."""

    version: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: frozenset[str]


def read_program(document: Any) -> Exported:
    """What the JSON of a program says.

    Raises:
        ExportError: it is no such document.
    """
    try:
        module = document["graph_module"]
        graph, signature = module["graph"], module["signature"]
        tensors = graph["tensor_values"]
        sent = [_argument(item["user_input"]) for item in signature["input_specs"] if "user_input" in item]
        given = [_argument(item["user_output"]) for item in signature["output_specs"] if "user_output" in item]
        entry = (module["module_call_graph"][0].get("signature") or {}) if module.get("module_call_graph") else {}
        own = entry.get("forward_arg_names") or []
        names = own if len(own) == len(sent) else sent
        leaves = list(_leaves(json.loads(entry["out_spec"])[1], "")) if entry.get("out_spec") else []
        titles = leaves if len(leaves) == len(given) else _numbered(given)
        return Exported(
            str(document.get("torch_version", "")),
            tuple(_port(name, tensors[key]) for name, key in zip(names, sent, strict=True) if key in tensors),
            tuple(_port(name, tensors[key]) for name, key in zip(titles, given, strict=True) if key in tensors),
            frozenset(str(node.get("target", "")) for node in graph["nodes"]),
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise ExportError(f"{type(error).__name__}: {error}") from error


def _argument(item: Mapping[str, Any]) -> str:
    """The name of a tensor; empty for a constant."""
    tensor = item["arg"].get("as_tensor")
    return str(tensor["name"]) if tensor else ""


def _port(name: str, value: Mapping[str, Any]) -> Port:
    return Port(name, DATATYPES.get(value["dtype"], ""), tuple(int(size.get("as_int", -1)) for size in value["sizes"]))


def _leaves(spec: Mapping[str, Any], name: str) -> Iterator[str]:
    """The names that the engine gives to what a module returns: keys, fields and places, joined."""
    kind, children = spec.get("type"), spec.get("children_spec") or []
    if kind is None:
        yield name or "output"
        return
    if kind not in _BUILTIN:
        raise ExportError(f"it returns a {kind}")
    context = json.loads(spec["context"]) if spec.get("context") else None
    if kind in {"builtins.dict", "collections.OrderedDict"}:
        keys = [f"{name}_{key}" if name else str(key) for key in context or []]
    else:
        keys = [f"{name or 'output'}_{place}" for place in range(len(children))]
    for key, child in zip(keys, children, strict=True):
        yield from _leaves(child, key)


def _numbered(given: list[str]) -> list[str]:
    return ["output"] if len(given) == 1 else [f"output_{place}" for place in range(len(given))]
