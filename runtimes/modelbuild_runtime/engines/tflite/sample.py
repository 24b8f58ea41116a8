"""A linear classifier of three numbers, written with LiteRT's schema and computed by numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WEIGHTS = np.array([[0.5, -0.25, 1.0], [-1.0, 0.5, 0.25]], np.float32)
BIAS = np.array([0.125, -0.5], np.float32)
REQUEST = [{"features": [1.0, 2.0, 3.0]}, {"features": [-0.5, 0.25, 0.0]}, {"features": [4.0, -1.0, 0.5]}]


def make(folder: Path) -> Sample:
    """Write ``model.tflite``."""
    path = folder / "model.tflite"
    path.write_bytes(_model())
    scores = np.array([row["features"] for row in REQUEST], np.float32) @ WEIGHTS.T + BIAS
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    return Sample(path, REQUEST, [{"probabilities": row.tolist()} for row in probabilities])


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What LiteRT itself answers."""
    from ai_edge_litert.interpreter import Interpreter

    classify = Interpreter(str(path)).get_signature_runner("serving_default")
    features = np.array([row["features"] for row in rows], np.float64).astype(np.float32)
    return [{"probabilities": row} for row in classify(features=features)["probabilities"].tolist()]


def _model() -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    dense, softmax = schema.FullyConnectedOptionsT(), schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    options = schema.BuiltinOptions
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor(schema, "x:0", [1, 3], 0, [-1, 3]),
        _tensor(schema, "weights", [2, 3], 1),
        _tensor(schema, "bias", [2], 2),
        _tensor(schema, "scores", [1, 2], 0, [-1, 2]),
        _tensor(schema, "y:0", [1, 2], 0, [-1, 2]),
    ]
    graph.operators = [
        _operator(schema, 0, [0, 1, 2], [3], options.FullyConnectedOptions, dense),
        _operator(schema, 1, [3], [4], options.SoftmaxOptions, softmax),
    ]
    graph.inputs, graph.outputs = [0], [4]
    model = schema.ModelT()
    model.version = 3
    model.description = "sample"
    kinds = (schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOperator.SOFTMAX)
    model.operatorCodes = [_code(schema, kind) for kind in kinds]
    model.subgraphs = [graph]
    model.buffers = [_buffer(schema, data) for data in (b"", WEIGHTS.tobytes(), BIAS.tobytes())]
    model.signatureDefs = [_signature(schema, {"features": 0}, {"probabilities": 4})]
    return packed(model)


def packed(model: Any) -> bytes:
    """The file of a model that was put together from the schema's objects."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(schema: Any, name: str, shape: List[int], buffer: int, signature: Sequence[int] = ()) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name, shape, buffer, schema.TensorType.FLOAT32
    tensor.shapeSignature = list(signature) or None
    return tensor


def _operator(schema: Any, code: int, inputs: List[int], outputs: List[int], kind: int, options: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator


def _code(schema: Any, kind: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    return code


def _buffer(schema: Any, data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _signature(schema: Any, inputs: Any, outputs: Any) -> Any:
    def maps(ports: Any) -> List[Any]:
        found = []
        for name, index in ports.items():
            item = schema.TensorMapT()
            item.name, item.tensorIndex = name, index
            found.append(item)
        return found

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = maps(inputs), maps(outputs)
    return signature
