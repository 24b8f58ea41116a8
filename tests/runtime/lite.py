"""TensorFlow Lite files put together by hand, of one operator each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from modelbuild_runtime.engines.tflite.sample import packed

Kind = schema.TensorType
Operator = schema.BuiltinOperator


def tensor(name: str, kind: int = Kind.FLOAT32, shape: Sequence[int] = (-1, 2), *, variable: bool = False) -> Any:
    made = schema.TensorT()
    made.name, made.type, made.buffer, made.isVariable = name, kind, 0, variable
    made.shape = [abs(size) for size in shape]
    made.shapeSignature = list(shape) if -1 in shape else None
    return made


def model(
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    kind: int = Operator.RESHAPE,
    *,
    options: Any = None,
    options_kind: int = 0,
    custom: str = "",
    signatures: Mapping[str, tuple[Sequence[str], Sequence[str]]] | None = None,
    constants: Sequence[np.ndarray] = (),
    metadata: Mapping[str, bytes] | None = None,
    graphs: int = 1,
) -> bytes:
    """One operator from the inputs, then the constants, to the outputs. ``signatures`` names them by key."""
    made = schema.ModelT()
    made.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = kind, 1
    code.deprecatedBuiltinCode = min(kind, 127)
    code.customCode = custom or None
    made.operatorCodes = [code]
    count = len(inputs)
    weights = [weight(i + 1, array) for i, array in enumerate(constants)]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.builtinOptionsType, operator.builtinOptions = 0, options_kind, options
    operator.inputs = list(range(count + len(weights)))
    operator.outputs = [count + len(weights) + i for i in range(len(outputs))]
    graph = schema.SubGraphT()
    graph.tensors = [*inputs, *weights, *outputs]
    graph.operators, graph.inputs, graph.outputs = [operator], list(range(count)), operator.outputs
    made.subgraphs = [graph] * graphs
    blobs = [b"", *(array.tobytes() for array in constants), *(metadata or {}).values()]
    made.buffers = [blob(data) for data in blobs]
    made.metadata = [entry(name, i + 1 + len(weights)) for i, name in enumerate(metadata or {})]
    made.signatureDefs = [
        signature(key, ins, outs, operator.outputs, graphs - 1) for key, (ins, outs) in (signatures or {}).items()
    ]
    return packed(made)


def weight(buffer: int, array: np.ndarray) -> Any:
    made = tensor(f"constant {buffer}", {"int32": Kind.INT32, "float32": Kind.FLOAT32}[array.dtype.name], array.shape)
    made.buffer = buffer
    return made


def blob(data: bytes) -> Any:
    made = schema.BufferT()
    made.data = np.frombuffer(data, np.uint8) if data else None
    return made


def entry(name: str, buffer: int) -> Any:
    made = schema.MetadataT()
    made.name, made.buffer = name, buffer
    return made


def signature(key: str, inputs: Sequence[str], outputs: Sequence[str], places: Sequence[int], graph: int) -> Any:
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = key, graph
    made.inputs = [port(name, place) for place, name in enumerate(inputs)]
    made.outputs = [port(name, place) for place, name in zip(places, outputs, strict=True)]
    return made


def port(name: str, place: int) -> Any:
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, place
    return made


def reshaped(kind: int = Kind.FLOAT32, shape: Sequence[int] = (-1, 2), **more: Any) -> bytes:
    """Gives ``x`` back as ``y``."""
    options = schema.ReshapeOptionsT()
    options.newShape = list(shape)
    inner = {"options": options, "options_kind": schema.BuiltinOptions.ReshapeOptions}
    constants = [np.array(shape, np.int32)]
    return model([tensor("x", kind, shape)], [tensor("y", kind, shape)], constants=constants, **inner, **more)


def labelled(file: str) -> bytes:
    """Metadata which says that the labels of the first output's last axis are in a file."""
    builder = flatbuffers.Builder(256)
    name = builder.CreateString(file)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependInt8Slot(2, 2, 0)
    files = vector(builder, builder.EndObject())
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(6, files, 0)
    tensors = vector(builder, builder.EndObject())
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(3, tensors, 0)
    graphs = vector(builder, builder.EndObject())
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(2, graphs, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def vector(builder: Any, item: int) -> int:
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())
