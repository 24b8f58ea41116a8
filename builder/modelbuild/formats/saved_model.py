"""The parts of a TensorFlow SavedModel's graph file that say what it is: signatures, versions, operators, assets.

Field numbers are those of saved_model.proto, meta_graph.proto, graph.proto and their parts. Weights and constants are
stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelbuild.formats.protobuf import BYTES, Buffer, WireError, WireField, fields, signed, text

INIT = "__saved_model_init_op"
TRAIN = "__saved_model_train_op"
VARIABLES = frozenset({"VarHandleOp", "Variable", "VariableV2"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output. ``datatype`` is TensorFlow's number; ``shape`` is None where it is not told."""

    name: str
    datatype: int
    shape: tuple[int, ...] | None
    dense: bool = True


@dataclass(frozen=True, slots=True)
class SignatureDef:
    """What one way to call the model takes and gives, each by name."""

    key: str
    method: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class MetaGraph:
    """One graph of the model, for the purpose that its tags say. ``operators`` are the names of all that it uses."""

    tags: tuple[str, ...]
    version: str
    signatures: tuple[SignatureDef, ...]
    operators: frozenset[str]
    assets: tuple[str, ...]
    has_objects: bool


def read_saved_model(buffer: Buffer) -> tuple[MetaGraph, ...]:
    """The graphs in a saved_model.pb.

    Raises:
        WireError: it is no such file, or is cut off.
    """
    graphs = []
    for item in fields(buffer):
        if item.wire == BYTES and item.number == 2:
            graphs.append(_meta_graph(buffer, item))
        elif item.number not in {1, 2}:
            raise WireError(f"field {item.number} is none of a SavedModel's", item.start)
    return tuple(graphs)


def _meta_graph(buffer: Buffer, meta: WireField) -> MetaGraph:
    tags: list[str] = []
    version = ""
    signatures: list[SignatureDef] = []
    operators: set[str] = set()
    assets: list[str] = []
    has_objects = False
    for item in _inside(buffer, meta):
        if item.number == 1:
            for part in _inside(buffer, item):
                if part.number == 4:
                    tags.append(text(buffer, part))
                elif part.number == 5:
                    version = text(buffer, part)
        elif item.number == 2:
            operators.update(_operators(buffer, item))
        elif item.number == 5:
            key, value = _entry(buffer, item)
            signatures.append(_signature(buffer, key, value))
        elif item.number == 6:
            assets += [text(buffer, part) for part in _inside(buffer, item) if part.number == 2]
        elif item.number == 7:
            has_objects = True
    return MetaGraph(
        tuple(sorted(tags)),
        version,
        tuple(sorted(signatures, key=lambda item: item.key)),
        frozenset(operators),
        tuple(sorted(assets)),
        has_objects,
    )


def _inside(buffer: Buffer, item: WireField) -> Iterator[WireField]:
    if item.wire != BYTES:
        raise WireError(f"field {item.number} is no message", item.start)
    return fields(buffer, item.start, item.end)


def _entry(buffer: Buffer, item: WireField) -> tuple[str, WireField | None]:
    """The key and the value of an entry of a map."""
    key, value = "", None
    for part in _inside(buffer, item):
        if part.number == 1:
            key = text(buffer, part)
        elif part.number == 2:
            value = part
    return key, value


def _operators(buffer: Buffer, graph: WireField) -> Iterator[str]:
    """The operators of a graph's nodes, and of its functions'."""
    for item in _inside(buffer, graph):
        if item.number == 1:
            yield from _operator(buffer, item)
        elif item.number == 2:
            for function in _inside(buffer, item):
                if function.number == 1:
                    for node in _inside(buffer, function):
                        if node.number == 3:
                            yield from _operator(buffer, node)


def _operator(buffer: Buffer, node: WireField) -> Iterator[str]:
    for part in _inside(buffer, node):
        if part.number == 2:
            yield text(buffer, part)
            return


def _signature(buffer: Buffer, key: str, value: WireField | None) -> SignatureDef:
    ports: dict[int, list[Tensor]] = {1: [], 2: []}
    method = ""
    for item in _inside(buffer, value) if value else ():
        if item.number in ports:
            name, info = _entry(buffer, item)
            ports[item.number].append(_tensor(buffer, name, info))
        elif item.number == 3:
            method = text(buffer, item)
    inputs, outputs = (tuple(sorted(found, key=lambda tensor: tensor.name)) for found in ports.values())
    return SignatureDef(key, method, inputs, outputs)


def _tensor(buffer: Buffer, name: str, info: WireField | None) -> Tensor:
    datatype, shape, dense = 0, None, True
    for item in _inside(buffer, info) if info else ():
        if item.number == 2:
            datatype = item.value
        elif item.number == 3:
            shape = _shape(buffer, item)
        elif item.number in {4, 5}:
            dense = False
    return Tensor(name, datatype, shape, dense)


def _shape(buffer: Buffer, item: WireField) -> tuple[int, ...] | None:
    sizes = []
    for part in _inside(buffer, item):
        if part.number == 3 and part.value:
            return None
        if part.number == 2:
            size = next((signed(inner.value) for inner in _inside(buffer, part) if inner.number == 1), 0)
            sizes.append(max(size, -1))
    return tuple(sizes)
