"""The inputs of a contract, prepared for checking: one ``Field`` each, computed once at start."""

from __future__ import annotations

import math
from typing import FrozenSet, NamedTuple, Tuple

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY

WORDS = {"B": "true or false", "F": "a number", "I": "a whole number", "U": "a whole number", "BYTES": "a string"}


class Field(NamedTuple):
    """``inner`` is the shape of one row (of the whole tensor where the contract is not batched), -1 for a size that is
    free; ``size`` its number of values, where ``fixed``. ``widens`` are the datatypes that fit into this one.
    """

    name: str
    datatype: str
    dtype: np.dtype
    inner: Tuple[int, ...]
    fixed: bool
    size: int
    optional: bool
    widens: FrozenSet[str]

    @property
    def word(self) -> str:
        """What a value of this field is, for messages."""
        word = WORDS.get(self.datatype) or WORDS[self.datatype[0]]
        return word if self.datatype in {"BOOL", "BYTES"} else f"{word} ({self.datatype})"


def fields_of(contract: Contract) -> Tuple[Field, ...]:
    """The fields of a contract, in its order."""
    return tuple(make_field(spec, batched=contract.batched) for spec in contract.inputs)


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


def shape_text(field: Field, *, batched: bool) -> str:
    """The shape as clients write it: ``[-1, 30]``."""
    return str(list((-1, *field.inner) if batched else field.inner))
