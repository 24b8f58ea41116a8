"""An ONNX file as its bytes say it: the graph without its weights, however large they are.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from modelbuild.formats.protobuf import BYTES, Buffer, WireError, WireField, fields, integers, text

EXTERNAL = 1
MAX_NESTING = 64


@dataclass
class Node:
    """One operator of the graph. ``attributes`` are the ranges of its attributes in the file."""

    operator: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: list[WireField] = field(default_factory=list)


@dataclass
class Graph:
    """A graph, its subgraphs left out but for what concerns the whole file."""

    nodes: list[Node] = field(default_factory=list)
    inputs: list[WireField] = field(default_factory=list)
    outputs: list[WireField] = field(default_factory=list)
    weights: dict[str, WireField] = field(default_factory=dict)


@dataclass
class Model:
    """The file as a whole. ``external`` maps each data file to the number of bytes that it must have."""

    buffer: Buffer
    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    producer: str = ""
    producer_version: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    functions: set[tuple[str, str]] = field(default_factory=set)
    operators: dict[tuple[str, str], str] = field(default_factory=dict)
    external: dict[str, int] = field(default_factory=dict)
    graph: Graph = field(default_factory=Graph)


def read_model(buffer: Buffer) -> Model:
    """Walk over a file.

    Raises:
        WireError: it is cut off or malformed.
    """
    model = Model(buffer)
    graph: WireField | None = None
    for item in fields(buffer):
        if item.number == 1:
            model.ir_version = item.value
        elif item.number == 2:
            model.producer = text(buffer, item)
        elif item.number == 3:
            model.producer_version = text(buffer, item)
        elif item.number == 7:
            if graph is not None:
                raise WireError("a second graph", item.start)
            graph = item
        elif item.number == 8:
            _operator_set(model, item)
        elif item.number == 14:
            key, value = _pair(buffer, item)
            model.properties[key] = value
        elif item.number == 25:
            _function(model, item)
    if graph is None or not model.opsets:
        raise WireError("the file ends before its " + ("graph" if graph is None else "operator sets"), len(buffer))
    _walk_graph(model, graph, model.graph, 0)
    return model


def inside(buffer: Buffer, item: WireField) -> Iterator[WireField]:
    """The fields of a message inside another."""
    if item.wire != BYTES:
        raise WireError(f"field {item.number} is no message", item.start)
    return fields(buffer, item.start, item.end)


def _pair(buffer: Buffer, item: WireField) -> tuple[str, str]:
    parts = {part.number: text(buffer, part) for part in inside(buffer, item) if part.number in {1, 2}}
    return parts.get(1, ""), parts.get(2, "")


def _operator_set(model: Model, item: WireField) -> None:
    domain, version = "", 0
    for part in inside(model.buffer, item):
        if part.number == 1:
            domain = text(model.buffer, part)
        elif part.number == 2:
            version = part.value
    model.opsets[domain] = version


def _function(model: Model, item: WireField) -> None:
    """A function of the model's own: an operator that it brings along."""
    name, domain = "", ""
    for part in inside(model.buffer, item):
        if part.number == 1:
            name = text(model.buffer, part)
        elif part.number == 10:
            domain = text(model.buffer, part)
        elif part.number == 7:
            _walk_node(model, part, 1)
    model.functions.add((domain, name))


def _walk_graph(model: Model, item: WireField, graph: Graph, depth: int) -> None:
    if depth > MAX_NESTING:
        raise WireError("its graphs are nested too deeply", item.start)
    for part in inside(model.buffer, item):
        if part.number == 1:
            graph.nodes.append(_walk_node(model, part, depth))
        elif part.number == 5:
            graph.weights[_tensor(model, part)] = part
        elif part.number == 11:
            graph.inputs.append(part)
        elif part.number == 12:
            graph.outputs.append(part)
        elif part.number == 15:
            for inner in inside(model.buffer, part):
                if inner.number in {1, 2}:
                    graph.weights[_tensor(model, inner)] = inner


def _walk_node(model: Model, item: WireField, depth: int) -> Node:
    node = Node()
    for part in inside(model.buffer, item):
        if part.number == 1:
            node.inputs.append(text(model.buffer, part))
        elif part.number == 2:
            node.outputs.append(text(model.buffer, part))
        elif part.number == 4:
            node.operator = text(model.buffer, part)
        elif part.number == 7:
            node.domain = text(model.buffer, part)
        elif part.number == 5:
            node.attributes.append(part)
            _walk_attribute(model, part, depth)
    model.operators.setdefault((node.domain, node.operator), node.outputs[0] if node.outputs else "")
    return node


def _walk_attribute(model: Model, item: WireField, depth: int) -> None:
    """Only graphs and tensors matter. An attribute of numbers can have millions: it is left at the first."""
    for part in inside(model.buffer, item):
        if part.number in {6, 11}:
            _walk_graph(model, part, Graph(), depth + 1)
        elif part.number in {5, 10}:
            _tensor(model, part)
        elif part.number in {7, 8, 9}:
            return


def _tensor(model: Model, item: WireField) -> str:
    """The tensor's name; notes where its data lie, if elsewhere."""
    name, location, entries = "", 0, {}
    for part in inside(model.buffer, item):
        if part.number == 8:
            name = text(model.buffer, part)
        elif part.number == 14:
            location = part.value
        elif part.number == 13:
            key, value = _pair(model.buffer, part)
            entries[key] = value
    if location == EXTERNAL:
        path = entries.get("location", "")
        size = _number(entries.get("offset", "0"), item) + _number(entries.get("length", "0"), item)
        model.external[path] = max(model.external.get(path, 0), size)
    return name


def _number(value: str, item: WireField) -> int:
    if not value.isdecimal() or len(value) > 19:
        raise WireError(f"the place of external data is {value!r}", item.start)
    return int(value)


@dataclass
class Type:
    """The type of a value: "tensor", "sequence", "map" or "other" of an element type."""

    kind: str = "other"
    element: int = 0
    shape: tuple[int, ...] = ()
    optional: bool = False
    inner: Type | None = None


def value_info(model: Model, item: WireField) -> tuple[str, Type]:
    """The name and type of an input or output."""
    name, kind = "", Type()
    for part in inside(model.buffer, item):
        if part.number == 1:
            name = text(model.buffer, part)
        elif part.number == 2:
            kind = _type(model.buffer, part)
    return name, kind


def _type(buffer: Buffer, item: WireField, depth: int = 0) -> Type:
    if depth > 4:
        raise WireError("a type is nested too deeply", item.start)
    for part in inside(buffer, item):
        if part.number == 1:
            return _tensor_type(buffer, part)
        if part.number in {4, 5, 9}:
            inner = Type()
            for piece in inside(buffer, part):
                # The element of a sequence or optional is field 1, the value of a map field 2.
                if piece.number == (2 if part.number == 5 else 1):
                    inner = _type(buffer, piece, depth + 1)
            if part.number == 9:
                inner.optional = True
                return inner
            return Type("sequence" if part.number == 4 else "map", inner.element, inner=inner)
    return Type()


def _tensor_type(buffer: Buffer, item: WireField) -> Type:
    result = Type("tensor")
    for part in inside(buffer, item):
        if part.number == 1:
            result.element = part.value
        elif part.number == 2:
            result.shape = tuple(_size(buffer, size) for size in inside(buffer, part) if size.number == 1)
    return result


def _size(buffer: Buffer, item: WireField) -> int:
    for part in inside(buffer, item):
        if part.number == 1:
            return next(integers(buffer, part), -1)
    return -1
