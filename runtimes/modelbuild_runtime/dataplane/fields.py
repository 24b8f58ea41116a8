"""The inputs of a contract, prepared for checking: one ``Field`` each, computed once at start."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Dict, FrozenSet, Tuple

import msgspec
import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

WORDS = {"B": "true or false", "F": "a number", "I": "a whole number", "U": "a whole number", "BYTES": "a string"}


class Field(msgspec.Struct, frozen=True, eq=False):
    """``inner`` is the shape of one row (of the whole tensor where the contract is not batched), -1 for a size that is
    free; ``size`` its number of values, where ``fixed``. ``widens`` are the datatypes that fit into this one;
    ``truths`` where true and false may be sent for numbers.
    """

    name: str
    datatype: str
    dtype: np.dtype
    inner: Tuple[int, ...]
    fixed: bool
    size: int
    optional: bool
    widens: FrozenSet[str]
    truths: bool = False

    @property
    def word(self) -> str:
        """What a value of this field is, for messages."""
        word = WORDS.get(self.datatype) or WORDS[self.datatype[0]]
        return word if self.datatype in {"BOOL", "BYTES"} else f"{word} ({self.datatype})"


class Fields(msgspec.Struct, frozen=True, eq=False):
    """All inputs of a contract. ``simple``: each is required and of a fixed size, so any requests may be joined."""

    all: Tuple[Field, ...]
    names: Dict[str, Field]
    batched: bool
    simple: bool

    def shape(self, field: Field) -> Tuple[int, ...]:
        """The shape of an array of joined rows, -1 for their number."""
        return (-1, *field.inner) if self.batched else field.inner


def fields_of(contract: Contract, *, guessed: bool = False) -> Fields:
    """The fields of a contract, in its order. Where its datatypes are ``guessed``, a number may be a truth value."""
    fields = tuple(make_field(spec, batched=contract.batched) for spec in contract.inputs)
    if guessed:
        fields = tuple(msgspec.structs.replace(field, truths=field.dtype.kind == "f") for field in fields)
    simple = contract.batched and all(field.fixed and not field.optional for field in fields)
    return Fields(fields, {field.name: field for field in fields}, contract.batched, simple)


@lru_cache(maxsize=256)
def declared_field(name: str, datatype: str, inner: Tuple[int, ...]) -> Field:
    """A field that only the client declares."""
    return make_field(TensorSpec(name, datatype, inner), batched=False)


def make_field(spec: TensorSpec, *, batched: bool) -> Field:
    """One field; ``batched`` where the leading size counts rows."""
    inner = tuple(spec.shape[1:] if batched else spec.shape)
    dtype = NUMPY[spec.datatype]
    fixed = all(size >= 0 for size in inner)
    widens = frozenset(
        name
        for name, other in NUMPY.items()
        if "BYTES" not in {name, spec.datatype} and np.can_cast(other, dtype, "safe")
    )
    return Field(spec.name, spec.datatype, dtype, inner, fixed, math.prod(inner) if fixed else 0, spec.optional, widens)
