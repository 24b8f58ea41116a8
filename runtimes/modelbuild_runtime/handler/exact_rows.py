"""Records that come exactly as their type says: JSON's decoder reads and checks them in one call, and each is made from
what it read. Types whose instances are more than their fields are left to ``records``, as are rows that differ in
anything: it is kinder, and says what is wrong.
"""

from __future__ import annotations

import dataclasses
import inspect
import struct
import typing
from typing import Annotated, Any, List, NamedTuple, Optional, Sequence, Tuple, Type

import msgspec
import numpy as np

from modelbuild_runtime.handler.fields import Column, Field
from modelbuild_runtime.tensor import NUMPY

_PLAIN = (
    msgspec.inspect.FloatType,
    msgspec.inspect.IntType,
    msgspec.inspect.StrType,
    msgspec.inspect.BoolType,
    msgspec.inspect.NoneType,
    msgspec.inspect.LiteralType,
)
"""Types of which JSON has a value: nothing is made of it that hangs on how it was written."""


class _Array(NamedTuple):
    """A field that is an array of so many numbers, which are a list in the row."""

    name: str
    pack: Any
    dtype: np.dtype

    def made(self, numbers: List[float]) -> np.ndarray:
        return np.frombuffer(bytearray(self.pack(*numbers)), self.dtype)


class ExactRows:
    """``row`` is a type that msgspec decodes: the fields of the record by their names, and no others."""

    def __init__(self, cls: Type[Any], row: Type[Any], arrays: Sequence[_Array]) -> None:
        self.row = row
        self._cls = cls
        self._arrays = arrays

    def instances(self, rows: Sequence[Any]) -> List[Any]:
        """The records that were read.

        Raises:
            OverflowError: a number is too large for the datatype of its array.
        """
        return [self._instance(row) for row in rows]

    def _instance(self, row: Any) -> Any:
        values = msgspec.structs.asdict(row)
        for array in self._arrays:
            values[array.name] = array.made(values[array.name])
        return self._cls(**values)


def exact_rows(cls: Type[Any], fields: Sequence[Field]) -> Optional[ExactRows]:
    """How to read such records; None for types that may be more than their fields, or have fields of other kinds."""
    if not _is_its_fields(cls, fields):
        return None
    hints = typing.get_type_hints(cls, include_extras=True)
    known = {item.encode_name: item for item in msgspec.inspect.type_info(cls).fields}  # type: ignore[attr-defined]
    arrays: List[_Array] = []
    members: List[Tuple[str, Any, Any]] = []
    for field in fields:
        kind, default = hints[field.attribute], known[field.name].default
        if _is_vector(field.column):
            (size,), dtype = field.column.shape, NUMPY[field.column.datatype]
            arrays.append(_Array(field.attribute, struct.Struct(f"={size}{dtype.char}").pack, dtype))
            kind = Annotated[List[float], msgspec.Meta(min_length=size, max_length=size)]
            default = msgspec.NODEFAULT
        elif not _is_plain(known[field.name].type):
            return None
        members.append((field.attribute, kind, msgspec.field(default=default, name=field.name)))
    return ExactRows(cls, msgspec.defstruct(cls.__name__, members, forbid_unknown_fields=True, kw_only=True), arrays)


def _is_its_fields(cls: Type[Any], fields: Sequence[Field]) -> bool:
    """Whether an instance is made of the values of its fields, by name, and of nothing else."""
    if hasattr(cls, "__post_init__"):
        return False
    if issubclass(cls, msgspec.Struct):
        config = cls.__struct_config__
        return cls.__init__ is msgspec.Struct.__init__ and config.tag is None and not config.array_like
    generated = "__dataclass_params__" in vars(cls) and vars(cls)["__dataclass_params__"].init
    plain = dataclasses.is_dataclass(cls) and generated and cls.__new__ is object.__new__
    return plain and set(inspect.signature(cls).parameters) == {field.attribute for field in fields}


def _is_vector(column: Column) -> bool:
    one = column.array and not column.nullable and len(column.shape) == 1 and column.shape[0] > 0
    return one and NUMPY[column.datatype].kind == "f"


def _is_plain(kind: Any) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _is_plain(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return all(_is_plain(one) for one in kind.types)
    return isinstance(kind, _PLAIN)
