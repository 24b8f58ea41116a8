"""What a fastText file says of itself: its header and its dictionary, without its vectors."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.protobuf import Buffer, mapped
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec

VERSIONS = (11, 12)
MODELS = {1: "cbow", 2: "skipgram", 3: "supervised"}
LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one against all"}
SUPERVISED = 3
LABEL = 1
ALL_LABELS = 1000
"""Up to so many labels, each row is answered with the probability of every one. The engine has the same numbers."""

MOST = 10
CENTROIDS = 256
_ENTRY = re.compile(rb"([^\0]*)\0.{8}(.)", re.DOTALL)
"""A word or label, how often it was seen, and which of the two it is."""


class Header(NamedTuple):
    """The parameters of the training that matter, and the sizes of the dictionary."""

    dimension: int
    ngrams: int
    loss: int
    model: int
    buckets: int
    shortest: int
    longest: int
    entries: int
    labels: int
    pruned: int
    end: int


class Cursor:
    """A place in the file that moves on with what is read."""

    def __init__(self, buffer: Buffer, at: int) -> None:
        self.buffer = buffer
        self.at = at

    def take(self, form: str) -> tuple[Any, ...]:
        """Numbers in the form of ``struct``, without padding.

        Raises:
            ValueError: the file ends before.
        """
        self.skip(struct.calcsize(f"<{form}"))
        return struct.unpack_from(f"<{form}", self.buffer, self.at - struct.calcsize(f"<{form}"))

    def skip(self, length: int) -> None:
        """Move on.

        Raises:
            ValueError: the file ends before, or the length is none.
        """
        if length < 0:
            raise ValueError(f"byte {self.at} begins a part of {length} bytes")
        self.at += length
        if self.at > len(self.buffer):
            raise ValueError(f"{self.at - len(self.buffer)} bytes are missing")


def read(artifact: Artifact, chosen: Mapping[str, Any]) -> Reading:
    """Read a fastText file. ``chosen`` may hold ``k``, the number of labels that are answered.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it is of a version that no released fastText reads.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the .bin or .ftz file in it.")
    try:
        with mapped(artifact.source) as buffer:
            return _reading(artifact, buffer, chosen.get("k", 0))
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated fastText model: {error}.", hint="Copy it or save it again."
        ) from error


def _reading(artifact: Artifact, buffer: Buffer, best: int) -> Reading:
    (version,) = Cursor(buffer, 4).take("i")
    if version not in VERSIONS:
        raise UnsupportedModelError(
            f"{artifact.name} is of version {version} of fastText's format; {VERSIONS[0]} and {VERSIONS[1]} are known.",
            hint="Train it again with a current fastText, or fetch the model anew from where it comes from.",
        )
    header = _header(buffer)
    labels, end = _dictionary(buffer, header)
    quantized = _check_matrices(buffer, header, end)
    return Reading(
        format="fasttext (quantized)" if quantized else "fasttext",
        signature=Signature((TensorSpec("text", "BYTES", (-1,)),), _outputs(header, labels, best)),
        # fastText itself reads what is cut off until the memory is full: the engine looks at the size first.
        options={"bytes": len(buffer)},
        metadata=_metadata(header),
    )


def _header(buffer: Buffer) -> Header:
    cursor = Cursor(buffer, 8)
    dimension, _, _, _, _, ngrams, loss, model, buckets, shortest, longest, _ = cursor.take("12i")
    cursor.skip(8)
    entries, words, labels, _, pruned = cursor.take("3iqq")
    if (
        model not in MODELS
        or loss not in LOSSES
        or dimension <= 0
        or buckets < 0
        or min(words, labels) < 0
        or words + labels != entries
    ):
        raise ValueError(f"its header counts {words} words and {labels} labels of {entries}")
    if not buckets and (ngrams > 1 or longest):
        raise ValueError("it cuts words into parts, and has no vectors for them")
    if model == SUPERVISED and not labels:
        raise ValueError("it is a classifier without labels")
    return Header(dimension, ngrams, loss, model, buckets, shortest, longest, entries, labels, pruned, cursor.at)


def _dictionary(buffer: Buffer, header: Header) -> tuple[tuple[str, ...], int]:
    """The labels, in the order of the model's outputs, and where the dictionary ends."""
    labels: list[str] = []
    place = header.end
    for number in range(header.entries):
        match = _ENTRY.match(buffer, place)
        if match is None:
            raise ValueError(f"it ends within its dictionary, after {number} of {header.entries} entries")
        place = match.end()
        if match[2][0] == LABEL:
            labels.append(match[1].decode("utf-8", "replace"))
    if len(labels) != header.labels:
        raise ValueError(f"its dictionary has {len(labels)} labels, and its header {header.labels}")
    cursor = Cursor(buffer, place)
    cursor.skip(8 * max(header.pruned, 0))
    pruned = struct.iter_unpack("<ii", buffer[place : cursor.at])
    if any(not 0 <= row < header.pruned for _, row in pruned):
        raise ValueError("its dictionary refers to vectors that it has not")
    return tuple(labels), cursor.at


def _check_matrices(buffer: Buffer, header: Header, start: int) -> bool:
    """Whether the vectors are quantized.

    Raises:
        ValueError: the vectors of words or of outputs are not all there.
    """
    cursor = Cursor(buffer, start)
    words = header.entries - header.labels
    (quantized,) = cursor.take("?")
    inputs = _skip_matrix(cursor, header.dimension, quantized=quantized)
    (outputs_too,) = cursor.take("?")
    outputs = _skip_matrix(cursor, header.dimension, quantized=quantized and outputs_too)
    # fastText does not check either, and would read whatever lies behind.
    wanted = words + (header.pruned if header.pruned >= 0 else header.buckets), header.labels or words
    if inputs < wanted[0] or outputs < wanted[1]:
        raise ValueError(f"it has {inputs} and {outputs} vectors, and needs {wanted[0]} and {wanted[1]}")
    if cursor.at != len(buffer):
        raise ValueError(f"{len(buffer) - cursor.at} bytes follow its end")
    return bool(quantized)


def _skip_matrix(cursor: Cursor, dimension: int, *, quantized: bool) -> int:
    """The number of rows."""
    (normed,) = cursor.take("?") if quantized else (False,)
    rows, columns = cursor.take("qq")
    if columns != dimension or rows < 0:
        raise ValueError(f"it has {rows} vectors of {columns} numbers, and its header says {dimension}")
    if not quantized:
        cursor.skip(4 * rows * columns)
        return int(rows)
    (codes,) = cursor.take("i")
    cursor.skip(codes)
    parts = _skip_quantizer(cursor, dimension)
    if codes != rows * parts:
        raise ValueError(f"it has {codes} codes for {rows} vectors in {parts} parts")
    if normed:
        cursor.skip(rows)
        _skip_quantizer(cursor, 1)
    return int(rows)


def _skip_quantizer(cursor: Cursor, wanted: int) -> int:
    """The number of parts that a vector was cut into."""
    dimension, parts, size, last = cursor.take("4i")
    if dimension != wanted or parts < 1 or (parts - 1) * size + last != dimension or not 0 < last <= size:
        raise ValueError(f"it cuts vectors of {dimension} numbers into {parts} parts of {size} and {last}")
    cursor.skip(4 * CENTROIDS * dimension)
    return int(parts)


def _outputs(header: Header, labels: tuple[str, ...], best: int) -> tuple[TensorSpec, ...]:
    if header.model != SUPERVISED:
        return (TensorSpec("vector", "FP32", (-1, header.dimension)),)
    if best or len(labels) > ALL_LABELS:
        best = min(best or MOST, len(labels))
        return (TensorSpec("labels", "BYTES", (-1, best)), TensorSpec("probabilities", "FP32", (-1, best)))
    return (
        TensorSpec("label", "BYTES", (-1,), labels=labels),
        TensorSpec("probabilities", "FP32", (-1, len(labels)), labels=labels),
    )


def _metadata(header: Header) -> dict[str, str]:
    subwords = f"{header.shortest} to {header.longest} letters" if header.longest > 0 else ""
    facts = {
        "model": MODELS[header.model],
        "loss": LOSSES.get(header.loss, ""),
        "dimension": str(header.dimension),
        "words": str(header.entries - header.labels),
        "labels": str(header.labels or ""),
        "word n-grams": str(header.ngrams),
        "subwords": subwords,
    }
    return {name: value for name, value in facts.items() if value}
