"""What an exported function of JAX says of itself, read from its bytes: no JAX, no copy of its weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats.flatbuffer import FlatbufferError, Table, root
from modelbuild.formats.protobuf import Buffer, mapped
from modelbuild.runtime import Finding, Reading
from modelbuild.signature import Signature, TensorSpec

DATATYPES = {
    0: "BOOL",
    1: "INT8",
    2: "INT16",
    3: "INT32",
    4: "INT64",
    5: "UINT8",
    6: "UINT16",
    7: "UINT32",
    8: "UINT64",
    9: "FP16",
    10: "FP32",
    11: "FP64",
    14: "FP32",  # bfloat16, of which FP32 is the wider form: numpy has none
}
LEAF, NONE, TUPLE, LIST, DICT = range(5)
OLDEST = 9
"""The oldest calling convention that released versions of JAX still take."""

DEEPEST = 64
ARGUMENT, OUTPUT = "arg", "output"
CUSTOM_CALLS = 1
"""The check that was disabled for calls whose meaning may change with any release."""

_PRODUCER = re.compile(rb"\xefR.{1,4}?StableHLO_v([\d.]+)\0", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Value:
    """What a function takes or gives at one place: the number of its type, and sizes that may be formulas."""

    datatype: int
    shape: tuple[str, ...]


def read(artifact: Artifact) -> Reading:
    """Read an exported function.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it is for other devices than a CPU, or takes what no request can carry.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the file of the exported function.")
    try:
        with mapped(artifact.source) as buffer:
            return _reading(artifact, buffer)
    except FlatbufferError as error:
        raise ArtifactError(
            f"{artifact.name} is a corrupt or truncated export of JAX: {error}.", hint="Copy it or export it again."
        ) from error


def _reading(artifact: Artifact, buffer: Buffer) -> Reading:
    exported = root(buffer)
    _check(artifact, exported)
    start, length = exported.span(13)
    producer = _PRODUCER.search(buffer[start : start + min(length, 64)])
    inputs = _specs(artifact, exported, "input", _input_names(artifact, exported), _values(exported, 3, 22))
    outputs = _specs(artifact, exported, "output", _output_names(artifact, exported), _values(exported, 5, 23))
    facts = {
        "function": exported.text(1),
        "platforms": ", ".join(exported.texts(9)),
        "calling convention": str(exported.number(14, "H")),
        "StableHLO": producer[1].decode() if producer else "",
    }
    return Reading(
        format="jax export",
        signature=Signature(inputs, outputs),
        findings=tuple(_findings(exported)),
        metadata={name: value for name, value in facts.items() if value},
    )


# What cannot be served.


def _check(artifact: Artifact, exported: Table) -> None:
    platforms = list(exported.texts(9))
    if "cpu" not in platforms:
        raise UnsupportedModelError(
            f"{artifact.name} was exported for {', '.join(platforms) or 'no platform'}, not for the CPU.",
            hint="Export it with jax.export.export(function, platforms=['cpu'])(...).",
        )
    devices = exported.number(18, "I") or exported.number(6, "h")
    if devices != 1:
        raise UnsupportedModelError(
            f"{artifact.name} was exported for {devices} devices, and an image has one.",
            hint="Export the function without sharding.",
        )
    convention = exported.number(14, "H")
    if convention < OLDEST:
        raise UnsupportedModelError(
            f"{artifact.name} has the calling convention {convention}; JAX has taken {OLDEST} and later since 2024.",
            hint="Export it again with a current JAX.",
        )
    if exported.span(10, 4)[1] or exported.span(11, 4)[1]:
        raise UnsupportedModelError(
            f"{artifact.name} has effects, such as printing or calling back, which are not in the file.",
            hint="Export the function without them.",
        )


def _findings(exported: Table) -> Iterator[Finding]:
    for check in exported.tables(12):
        if check.number(0, "b") == CUSTOM_CALLS:
            target = check.text(1)
            yield Finding("review", f"the custom call {target!r}", "code of JAX's library whose meaning may change")


# The signature. The engine computes the same from what JAX says.


def _values(exported: Table, listed: int, indexed: int) -> list[Value]:
    """Inputs or outputs. Newer files list each kind of value once, and where it stands."""
    indexes = exported.integers(indexed)
    if not indexes:
        return [_value(item) for item in exported.tables(listed)]
    unique = [_value(item) for item in exported.tables(19)]
    if not all(0 <= index < len(unique) for index in indexes):
        raise FlatbufferError(f"it refers to a kind of value beyond its {len(unique)}")
    return [unique[index] for index in indexes]


def _value(item: Table) -> Value:
    return Value(item.number(2, "b"), tuple(item.texts(1)))


def _input_names(artifact: Artifact, exported: Table) -> list[str]:
    """A function takes positional arguments and named ones. A single one that has names in it lends its own."""
    tree = exported.table(2)
    sides = list(tree.tables(1)) if tree is not None else []
    if len(sides) != 2:
        raise FlatbufferError("it does not say what it takes")
    positional, named = list(sides[0].tables(1)), sides[1]
    alone = len(positional) == 1 and positional[0].number(0, "b") == DICT and not list(named.tables(1))
    names = [
        name
        for place, argument in enumerate(positional)
        for name in _names(artifact, argument, "" if alone else f"{ARGUMENT}{place}")
    ]
    return names + _names(artifact, named, "")


def _output_names(artifact: Artifact, exported: Table) -> list[str]:
    tree = exported.table(4)
    if tree is None:
        raise FlatbufferError("it does not say what it gives")
    kind = tree.number(0, "b")
    if kind in {TUPLE, LIST}:
        children = enumerate(tree.tables(1))
        return [name for place, child in children for name in _names(artifact, child, f"{OUTPUT}{place}")]
    return _names(artifact, tree, "" if kind == DICT else OUTPUT)


def _names(artifact: Artifact, tree: Table, path: str, depth: int = 0) -> list[str]:
    """The places of the arrays in nested dicts, tuples and lists, in order: keys and numbers with dots between."""
    kind = tree.number(0, "b")
    if kind == LEAF:
        return [path]
    if kind == NONE:
        return []
    if kind not in {TUPLE, LIST, DICT} or depth > DEEPEST:
        raise UnsupportedModelError(
            f"{artifact.name} takes or gives {tree.text(3) or 'a type of its own'!r}, which is not in the file.",
            hint="Export a function of arrays, or of dicts, tuples and lists of them.",
        )
    children = list(tree.tables(1))
    keys = list(tree.texts(2)) if kind == DICT else [str(place) for place in range(len(children))]
    if len(keys) != len(children):
        raise FlatbufferError(f"it has {len(keys)} names for {len(children)} values")
    named = zip(keys, children, strict=True)
    return [
        name for key, child in named for name in _names(artifact, child, f"{path}.{key}" if path else key, depth + 1)
    ]


def _specs(
    artifact: Artifact, exported: Table, what: str, names: list[str], values: list[Value]
) -> tuple[TensorSpec, ...]:
    if len(names) != len(values):
        raise FlatbufferError(f"{exported.text(1)} has {len(names)} {what}s and the types of {len(values)}")
    return tuple(_spec(artifact, what, name, value) for name, value in zip(names, values, strict=True))


def _spec(artifact: Artifact, what: str, name: str, value: Value) -> TensorSpec:
    if value.datatype not in DATATYPES:
        raise UnsupportedModelError(
            f"The {what} {name!r} of {artifact.name} is of type {value.datatype}, which no protocol can carry.",
            hint="Export a function of real numbers, integers or booleans.",
        )
    sizes = tuple(int(size) if size.isdecimal() and len(size) < 19 else -1 for size in value.shape)
    return TensorSpec(name, DATATYPES[value.datatype], sizes)
