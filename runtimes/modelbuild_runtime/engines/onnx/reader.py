"""What an ONNX file says of itself, read from its bytes: no framework, no copy of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelbuild.artifact import Artifact, companion
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.onnx_graph import Model, Node, Type, inside, read_model, value_info
from modelbuild.formats.protobuf import Buffer, WireError, WireField, fields, integers, mapped, text
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec

RUNNABLE_OPSET = 7
"""onnxruntime implements every operator set from here on."""

OPTIONAL_DEFAULTS = 4
"""IR versions before this one list every weight among the inputs; later ones only those that may be replaced."""

FIRST_FOR_IR = {9: "1.15", 10: "1.18", 11: "1.23", 12: "1.24", 13: "1.24"}
FIRST_FOR_OPSET = {19: "1.15", 20: "1.17", 21: "1.18", 22: "1.21", 23: "1.23", 24: "1.24", 25: "1.24"}
"""IR versions and operator sets, and the first onnxruntime that loads them, as tried with each release."""

DATATYPES = {
    1: "FP32",
    2: "UINT8",
    3: "INT8",
    4: "UINT16",
    5: "INT16",
    6: "INT32",
    7: "INT64",
    8: "BYTES",
    9: "BOOL",
    10: "FP16",
    11: "FP64",
    12: "UINT32",
    13: "UINT64",
    16: "FP32",  # bfloat16, of which FP32 is the wider form: numpy has none
}
OTHER_TYPES = {14: "complex64", 15: "complex128", 17: "float8", 18: "float8", 19: "float8", 20: "float8"}
OPERATORS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"})
TRAINING = frozenset({"ai.onnx.training", "ai.onnx.preview.training"})
MAX_METADATA = 2000


def read(artifact: Artifact) -> Reading:
    """Read an ONNX file.

    Raises:
        ArtifactError: it is cut off or corrupt, or its data files are missing.
        UnsupportedModelError: it has operators or inputs that cannot be served.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the .onnx file in it.")
    try:
        with mapped(artifact.source) as buffer:
            return _reading(artifact, read_model(buffer))
    except WireError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated ONNX file: {error}.", hint="Copy it or export it again."
        ) from error


def _reading(artifact: Artifact, model: Model) -> Reading:
    _check_operators(artifact, model)
    _check_external(artifact, model)
    opset = model.opsets.get("", model.opsets.get("ai.onnx", RUNNABLE_OPSET))
    old = 0 < opset < RUNNABLE_OPSET
    return Reading(
        format="onnx",
        signature=_signature(artifact, model),
        requirements=_requirements(model.ir_version, opset),
        companions=tuple(sorted(model.external)),
        prepare=f"operator set {opset} is older than {RUNNABLE_OPSET}, the oldest that onnxruntime runs" if old else "",
        metadata=_metadata(model),
    )


def _requirements(ir_version: int, opset: int) -> tuple[str, ...]:
    needed = [
        table[min(version, max(table))]
        for table, version in ((FIRST_FOR_IR, ir_version), (FIRST_FOR_OPSET, opset))
        if version >= min(table)
    ]
    return (f"onnxruntime>={max(needed)}",) if needed else ()


def _metadata(model: Model) -> dict[str, str]:
    opsets = ", ".join(f"{domain} {version}".strip() for domain, version in sorted(model.opsets.items()))
    facts = {
        "producer": f"{model.producer} {model.producer_version}".strip(),
        "operator sets": opsets,
        "ir version": str(model.ir_version),
        **{key: value[:MAX_METADATA] for key, value in model.properties.items()},
    }
    return {key: value for key, value in facts.items() if value}


# What cannot be served.


def _check_operators(artifact: Artifact, model: Model) -> None:
    for (domain, operator), output in sorted(model.operators.items()):
        if domain in TRAINING:
            raise UnsupportedModelError(
                f"{artifact.name} has the training operator {domain}.{operator}.",
                hint="Export the model for inference: it is a training graph.",
            )
        if domain in OPERATORS or (domain, operator) in model.functions:
            continue
        extension = "It is one of onnxruntime-extensions. " if domain == "ai.onnx.contrib" else ""
        where = f" (it makes {output!r})" if output else ""
        raise UnsupportedModelError(
            f"{artifact.name} has the custom operator {domain}.{operator}{where}, which onnxruntime does not bring.",
            hint=f"{extension}Export the model without it, and do its work in a handler.",
        )


def _check_external(artifact: Artifact, model: Model) -> None:
    for name, size in sorted(model.external.items()):
        path = companion(artifact.source.parent, name, artifact.name)
        there = path.stat().st_size
        if there < size:
            raise ArtifactError(
                f"{name}, which holds the weights of {artifact.name}, has {there} bytes of {size}.",
                hint="It was cut off, or belongs to another export: copy both files again.",
            )


# The signature.


def _signature(artifact: Artifact, model: Model) -> Signature:
    graph = model.graph
    specs = [value_info(model, item) for item in graph.inputs]
    inputs = [_input(artifact, spec, name) for name, spec in specs if name not in graph.weights]
    if model.ir_version >= OPTIONAL_DEFAULTS:
        replaceable = [_input(artifact, spec, name, optional=True) for name, spec in specs if name in graph.weights]
        inputs += replaceable
    if not graph.outputs:
        raise UnsupportedModelError(f"{artifact.name} has no outputs.", hint="Export the model again.")
    makers = {name: node for node in graph.nodes for name in node.outputs}
    outputs = [_output(artifact, model, makers, *value_info(model, item)) for item in graph.outputs]
    return Signature(tuple(inputs), tuple(outputs))


def _input(artifact: Artifact, kind: Type, name: str, *, optional: bool = False) -> TensorSpec:
    if kind.kind != "tensor" or kind.element not in DATATYPES:
        what = OTHER_TYPES.get(kind.element, f"{kind.kind} of type {kind.element}")
        raise UnsupportedModelError(
            f"The input {name!r} of {artifact.name} is a {what}, which no request can carry.",
            hint="Export the model with tensors of numbers or strings as its inputs.",
        )
    return TensorSpec(name, DATATYPES[kind.element], _sizes(kind.shape), optional=optional or kind.optional)


def _output(artifact: Artifact, model: Model, makers: dict[str, Node], name: str, kind: Type) -> TensorSpec:
    """Maps and sequences become arrays: the rows of a sequence, the columns of a map."""
    if kind.element not in DATATYPES:
        what = OTHER_TYPES.get(kind.element, f"{kind.kind} of type {kind.element}")
        raise UnsupportedModelError(
            f"The output {name!r} of {artifact.name} is a {what}, which no answer can carry.",
            hint="Cast it to a float or an integer type and export the model again.",
        )
    labels = _labels(model, makers, name)
    shape = _sizes(kind.shape)
    if kind.kind != "tensor":
        maps = kind.kind == "map" or (kind.inner is not None and kind.inner.kind == "map")
        shape = (-1,) * (kind.kind == "sequence") + (len(labels) or -1,) * maps
    elif len(shape) > 1 and labels and shape[-1] not in {-1, len(labels)}:
        labels = ()
    return TensorSpec(name, DATATYPES[kind.element], shape, labels=labels)


def _sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size if size >= 0 else -1 for size in shape)


# Class labels.

PASSING = frozenset(
    {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Softmax", "Normalizer", "ZipMap"}
)
"""Operators behind which the last axis, or the values, still mean the same classes."""


def _labels(model: Model, makers: dict[str, Node], name: str) -> tuple[str, ...]:
    """The classes that an output's values or columns stand for, where the graph says it."""
    for _ in range(16):
        node = makers.get(name)
        if node is None:
            return ()
        found = _label_attribute(model.buffer, node)
        if found:
            return found
        if node.operator == "ArrayFeatureExtractor" and node.inputs and node.inputs[0] in model.graph.weights:
            return _strings(model.buffer, model.graph.weights[node.inputs[0]])
        if node.operator not in PASSING or not node.inputs:
            return ()
        name = node.inputs[0]
    return ()


def _label_attribute(buffer: Buffer, node: Node) -> tuple[str, ...]:
    if node.domain != "ai.onnx.ml" or not (node.operator == "ZipMap" or node.operator.endswith("Classifier")):
        return ()
    for item in node.attributes:
        parts = fields(buffer, item.start, item.end)
        name = next((text(buffer, part) for part in parts if part.number == 1), "")
        if name.startswith("classlabels_"):
            found = tuple(_attribute_values(buffer, parts))
            if found:
                return found
    return ()


def _attribute_values(buffer: Buffer, parts: Iterator[WireField]) -> Iterator[str]:
    for part in parts:
        if part.number == 8:
            yield from map(str, integers(buffer, part))
        elif part.number == 9:
            yield text(buffer, part)


def _strings(buffer: Buffer, item: WireField) -> tuple[str, ...]:
    """A small tensor of strings or integers, as text."""
    found: list[Any] = []
    raw, datatype = b"", 0
    for part in inside(buffer, item):
        if part.number == 2:
            datatype = part.value
        elif part.number == 6:
            found.append(text(buffer, part))
        elif part.number in {5, 7}:
            found += integers(buffer, part)
        elif part.number == 9 and part.end - part.start <= 1 << 16:
            raw = buffer[part.start : part.end]
    width = {6: 4, 7: 8}.get(datatype, 0)
    if raw and width:
        found = [int.from_bytes(raw[at : at + width], "little", signed=True) for at in range(0, len(raw), width)]
    return tuple(map(str, found)) if datatype in {6, 7, 8} else ()
