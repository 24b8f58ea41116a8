"""What a TensorFlow Lite file says of itself, read from its bytes: no framework, no copy of its weights."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.flatbuffer import FlatbufferError, Table, root
from modelbuild.formats.protobuf import Buffer, mapped
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec

SCHEMA = 3
PREFERRED = "serving_default"
DATATYPES = {
    0: "FP32",
    1: "FP16",
    2: "INT32",
    3: "UINT8",
    4: "INT64",
    5: "BYTES",
    6: "BOOL",
    7: "INT16",
    9: "INT8",
    10: "FP64",
    12: "UINT64",
    15: "UINT32",
    16: "UINT16",
}
CUSTOM = 32
BUNDLED = frozenset({"AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess"})
"""Custom operators that LiteRT brings."""
AXIS_LABELS, VALUE_LABELS = 2, 3
LONGEST_LABELS = 1 << 20


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its name for clients, the number of its tensor, and the tensor."""

    name: str
    number: int
    tensor: Table


def read(artifact: Artifact) -> Reading:
    """Read a .tflite file.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it needs operators that LiteRT lacks, or takes what no request can carry.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the .tflite file in it.")
    try:
        with mapped(artifact.source) as buffer:
            return _reading(artifact, buffer)
    except FlatbufferError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated TensorFlow Lite file: {error}.",
            hint="Copy it or convert it again.",
        ) from error


def _reading(artifact: Artifact, buffer: Buffer) -> Reading:
    model = root(buffer)
    version = model.number(0, "I")
    if version != SCHEMA:
        raise UnsupportedModelError(
            f"{artifact.name} is of version {version} of TensorFlow Lite's schema; LiteRT reads version {SCHEMA}.",
            hint="Convert the model again with a current TensorFlow.",
        )
    buffers = list(model.tables(4))
    _check_weights(artifact, buffer, buffers)
    _check_operators(artifact, model)
    graphs = list(model.tables(2))
    key, signature = _chosen(artifact, model)
    number = signature.number(4, "I") if signature else 0
    if number >= len(graphs):
        raise ArtifactError(f"{artifact.name} has no graph to run.", hint="Copy it or convert it again.")
    graph = graphs[number]
    tensors = list(graph.tables(0))
    inputs, outputs = (
        _named(tensors, signature, field) if signature else _numbered(tensors, graph, field + 1) for field in (0, 1)
    )
    described = _described(artifact, model, buffers, number)
    labels = {port.name: described[index] for index, port in _in_order(outputs, graph) if index in described}
    rows = all(_shape(port.tensor)[:1] == (1,) for port in (*inputs, *outputs))
    stateful = any(tensor.number(5, "b") for tensor in tensors)
    return Reading(
        format="tflite",
        signature=Signature(
            tuple(_spec(artifact, port, "input", rows=rows) for port in inputs),
            tuple(_spec(artifact, port, "output", labels.get(port.name, ()), rows=rows) for port in outputs),
        ),
        options={"stateful": True} if stateful else {},
        metadata=_metadata(buffer, model, buffers, key),
    )


# What cannot be served.


def _check_weights(artifact: Artifact, buffer: Buffer, buffers: list[Table]) -> None:
    """Weights of over 2 GiB lie behind the rest, where only their place is told."""
    for item in buffers:
        start, length = item.span(0)
        start, length = (item.number(1, "Q"), item.number(2, "Q")) if not length else (start, length)
        missing = start + length - len(buffer)
        if start > 1 and missing > 0:
            raise ArtifactError(
                f"{artifact.name} lacks {missing} bytes of weights.",
                hint="It was cut off: copy it or convert it again.",
            )


def _check_operators(artifact: Artifact, model: Table) -> None:
    for code in model.tables(1):
        name = code.text(1)
        if max(code.number(0, "b"), code.number(3, "i")) != CUSTOM or name in BUNDLED:
            continue
        if name.startswith("Flex"):
            raise UnsupportedModelError(
                f"{artifact.name} has the operator {name[4:]} of TensorFlow itself, which LiteRT does not bring.",
                hint="Convert the model with TensorFlow Lite's own operators only, or package its SavedModel.",
            )
        raise UnsupportedModelError(
            f"{artifact.name} has the custom operator {name!r}, which LiteRT does not bring.",
            hint="Convert the model without it, and do its work in a handler.",
        )


def _chosen(artifact: Artifact, model: Table) -> tuple[str, Table | None]:
    """The signature that is served; none where the graph speaks for itself."""
    found = {item.text(2): item for item in model.tables(7)}
    if len(found) > 1 and PREFERRED not in found:
        raise UnsupportedModelError(
            f"{artifact.name} has the signatures {', '.join(sorted(found))}, and none is called {PREFERRED!r}.",
            hint=f"Convert the model with the one to serve alone, or as {PREFERRED!r}.",
        )
    key = PREFERRED if PREFERRED in found else next(iter(found), "")
    return key, found.get(key)


# The signature.


def _named(tensors: list[Table], signature: Table, field: int) -> list[Port]:
    """The ports of a signature, in the order in which LiteRT has them: by name."""
    ports = {item.text(0): item.number(1, "I") for item in signature.tables(field)}
    return [Port(name, number, _tensor(tensors, number)) for name, number in sorted(ports.items())]


def _numbered(tensors: list[Table], graph: Table, field: int) -> list[Port]:
    """The ports of a graph without a signature: its tensors have names too."""
    return [Port(_tensor(tensors, n).text(3), n, _tensor(tensors, n)) for n in graph.integers(field)]


def _tensor(tensors: list[Table], number: int) -> Table:
    if not 0 <= number < len(tensors):
        raise FlatbufferError(f"it refers to tensor {number} of {len(tensors)}")
    return tensors[number]


def _in_order(outputs: list[Port], graph: Table) -> Iterator[tuple[int, Port]]:
    """Outputs with their places in the graph, which is how metadata knows them."""
    places = {number: place for place, number in enumerate(graph.integers(2))}
    return ((places[port.number], port) for port in outputs if port.number in places)


def _shape(tensor: Table) -> tuple[int, ...]:
    """Sizes, -1 for a free one: the second list is there where any is free."""
    return tensor.integers(7) or tensor.integers(0)


def _spec(artifact: Artifact, port: Port, what: str, labels: tuple[str, ...] = (), *, rows: bool) -> TensorSpec:
    kind = port.tensor.number(1, "b")
    if kind not in DATATYPES:
        raise UnsupportedModelError(
            f"The {what} {port.name!r} of {artifact.name} is of type {kind}, which no protocol can carry.",
            hint="Convert the model with inputs and outputs of numbers or strings.",
        )
    shape = _shape(port.tensor)
    shape = (-1, *shape[1:]) if rows else shape
    fitting = labels if not shape or shape[-1] in {-1, len(labels)} or len(shape) == 1 else ()
    return TensorSpec(port.name, DATATYPES[kind], shape, labels=fitting)


# Metadata.


def _metadata(buffer: Buffer, model: Table, buffers: list[Table], key: str) -> dict[str, str]:
    facts = {"signature": key, "description": model.text(3)}
    for name, item in _blobs(model, buffers):
        start, length = item.span(0)
        if name == "min_runtime_version" and length <= 64:
            facts["min runtime version"] = buffer[start : start + length].rstrip(b"\0").decode("ascii", "replace")
    return {name: value for name, value in facts.items() if value}


def _blobs(model: Table, buffers: list[Table]) -> Iterator[tuple[str, Table]]:
    """The buffers of a model that are no weights, by name."""
    for item in model.tables(6):
        number = item.number(1, "I")
        if number < len(buffers):
            yield item.text(0), buffers[number]


def _described(artifact: Artifact, model: Table, buffers: list[Table], graph: int) -> Mapping[int, tuple[str, ...]]:
    """Labels of outputs, by their place: the metadata names files, which lie in a zip archive behind the model."""
    found: dict[int, tuple[str, ...]] = {}
    for name, item in _blobs(model, buffers):
        start, length = item.span(0)
        if name != "TFLITE_METADATA" or not length:
            continue
        inner = root(bytes(item.buffer[start : start + length]))
        for described in list(inner.tables(2))[graph : graph + 1]:
            for index, tensor in enumerate(described.tables(3)):
                labels = _labels(artifact, tensor)
                found |= {index: labels} if labels else {}
    return found


def _labels(artifact: Artifact, tensor: Table) -> tuple[str, ...]:
    for file in tensor.tables(6):
        if file.number(2, "b") in {AXIS_LABELS, VALUE_LABELS}:
            try:
                with zipfile.ZipFile(artifact.source) as packed, packed.open(file.text(0)) as member:
                    text = member.read(LONGEST_LABELS).decode("utf-8")
            except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
                continue  # without its labels a model is still served
            return tuple(line.strip() for line in text.splitlines() if line.strip())
    return ()
