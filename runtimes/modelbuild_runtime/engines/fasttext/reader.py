"""What a fastText file says of itself: its header and its dictionary, without its vectors."""

from __future__ import annotations

import re
import struct
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
"""Up to so many labels, each row is answered with the probability of every one. The engine has the same number."""

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


def read(artifact: Artifact) -> Reading:
    """Read a fastText file.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it is of a version that no released fastText reads.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the .bin or .ftz file in it.")
    try:
        with mapped(artifact.source) as buffer:
            return _reading(artifact, buffer)
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated fastText model: {error}.", hint="Copy it or save it again."
        ) from error


def _reading(artifact: Artifact, buffer: Buffer) -> Reading:
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
        signature=Signature((TensorSpec("text", "BYTES", (-1,)),), _outputs(header, labels)),
        # fastText itself reads what is cut off until the memory is full: the engine looks at the size first.
        options={"bytes": len(buffer)},
        metadata=_metadata(header),
    )


def _header(buffer: Buffer) -> Header:
    cursor = Cursor(buffer, 8)
    dimension, _, _, _, _, ngrams, loss, model, _, shortest, longest, _ = cursor.take("12i")
    cursor.skip(8)
    entries, words, labels, _, pruned = cursor.take("3iqq")
    if model not in MODELS or dimension <= 0 or min(words, labels) < 0 or words + labels != entries:
        raise ValueError(f"its header counts {words} words and {labels} labels of {entries}")
    if model == SUPERVISED and not labels:
        raise ValueError("it is a classifier without labels")
    return Header(dimension, ngrams, loss, model, shortest, longest, entries, labels, pruned, cursor.at)


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
    return tuple(labels), place + 8 * max(header.pruned, 0)


def _check_matrices(buffer: Buffer, header: Header, start: int) -> bool:
    """Whether the vectors are quantized.

    Raises:
        ValueError: the vectors of words or of outputs are not all there.
    """
    cursor = Cursor(buffer, start)
    (quantized,) = cursor.take("?")
    columns = _skip_matrix(cursor, quantized=quantized)
    (outputs_too,) = cursor.take("?")
    outputs = _skip_matrix(cursor, quantized=quantized and outputs_too)
    if {columns, outputs} != {header.dimension}:
        raise ValueError(f"its vectors have {columns} and {outputs} numbers, and its header says {header.dimension}")
    if cursor.at != len(buffer):
        raise ValueError(f"{len(buffer) - cursor.at} bytes follow its end")
    return bool(quantized)


def _skip_matrix(cursor: Cursor, *, quantized: bool) -> int:
    """The number of columns."""
    if not quantized:
        rows, columns = cursor.take("qq")
        cursor.skip(4 * rows * columns)
        return int(columns)
    normed, rows, columns, codes = cursor.take("?qqi")
    cursor.skip(codes)
    _skip_quantizer(cursor)
    if normed:
        cursor.skip(rows)
        _skip_quantizer(cursor)
    return int(columns)


def _skip_quantizer(cursor: Cursor) -> None:
    dimension, _, _, _ = cursor.take("4i")
    cursor.skip(4 * CENTROIDS * dimension)


def _outputs(header: Header, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    if header.model != SUPERVISED:
        return (TensorSpec("vector", "FP32", (-1, header.dimension)),)
    if len(labels) > ALL_LABELS:
        return (TensorSpec("labels", "BYTES", (-1, MOST)), TensorSpec("probabilities", "FP32", (-1, MOST)))
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
