"""A field of a record type seen as a column: what its annotation means on the wire and as an array."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import sys
import types
import typing
import uuid
from typing import Annotated, Any, Dict, NamedTuple, Optional, Tuple, Union

import numpy as np

from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES, NUMPY

SCALARS: Dict[Any, str] = {
    bool: "BOOL",
    int: "INT64",
    float: "FP64",
    str: "BYTES",
    bytes: "BYTES",
    bytearray: "BYTES",
    decimal.Decimal: "BYTES",
    dt.datetime: "BYTES",
    dt.date: "BYTES",
    dt.time: "BYTES",
    uuid.UUID: "BYTES",
}

FORMATS: Dict[Any, str] = {dt.datetime: "date-time", dt.date: "date", dt.time: "time"}

_UNIONS = (Union, types.UnionType) if sys.version_info >= (3, 10) else (Union,)
_SEQUENCES = (list, tuple, set, frozenset)


class Column(NamedTuple):
    """What one annotation says. ``shape`` is that of one row. ``nested`` where no tensor says it: JSON text on tensor
    protocols. ``array`` where the handler gets a numpy array, ``raw`` where it gets bytes instead of text.
    ``format`` is JSON Schema's word for what a text holds.
    """

    datatype: str
    shape: Tuple[int, ...] = ()
    nullable: bool = False
    labels: Tuple[str, ...] = ()
    nested: bool = False
    array: bool = False
    raw: bool = False
    format: str = ""

    @property
    def shaped(self) -> bool:
        """Whether it is an array of a declared shape; one that is not may be of any rank."""
        return self.array and self.shape != (-1,)


class Field(NamedTuple):
    """``name`` on the wire, ``attribute`` of the record."""

    name: str
    attribute: str
    column: Column
    required: bool

    @property
    def spec(self) -> TensorSpec:
        column = self.column
        optional = column.nullable or not self.required
        return TensorSpec(self.name, column.datatype, (-1, *column.shape), optional, column.labels)

    @property
    def plain(self) -> bool:
        """Whether the column of arrays says all that the record type would check."""
        column = self.column
        loose = column.nullable or column.labels or column.nested or column.raw
        return self.required and not loose and (column.array or -1 not in column.shape)


def column(annotation: Any) -> Column:
    """What an annotation says of a column. What has no tensor of its own is ``nested``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _hashable(annotation) and annotation in SCALARS:
        return Column(SCALARS[annotation], raw=annotation in {bytes, bytearray}, format=FORMATS.get(annotation, ""))
    if origin is Annotated:
        return _annotated(column(arguments[0]), arguments[1:])
    if getattr(origin, "_name", "") in {"Required", "NotRequired", "ReadOnly"}:
        return column(arguments[0])
    if origin in _UNIONS:
        return _union(arguments)
    if origin is typing.Literal:
        return _values(arguments)
    if annotation is np.ndarray or origin is np.ndarray:
        return Column(array_datatype(annotation) or "FP64", (-1,), array=True)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _values(tuple(member.value for member in annotation))
    if hasattr(annotation, "__supertype__"):
        return column(annotation.__supertype__)
    if annotation in _SEQUENCES or origin in _SEQUENCES or origin in _abstract_sequences():
        return _sequence(annotation, arguments)
    return Column("BYTES", nested=True)


def array_datatype(annotation: Any) -> Optional[str]:
    """The datatype of ``NDArray[numpy.uint8]``, None where it does not say."""
    for argument in typing.get_args(annotation):
        for inner in typing.get_args(argument):
            if isinstance(inner, type) and issubclass(inner, np.generic):
                return DATATYPES.get(np.dtype(inner)) if inner not in {np.generic, np.str_, np.object_} else "BYTES"
    return None


def array_of(values: list[Any], column: Column) -> np.ndarray:
    """One array of a column's values. What may be null is NaN among numbers, and None among anything else."""
    if column.nullable and column.datatype in {"FP64", "INT64"} and not column.shape:
        return np.array(values, np.float64)
    if column.nullable or column.nested or (column.shape and -1 in column.shape):
        return _objects(values) if column.nullable or column.nested else _ragged(values, column)
    if column.datatype == "BYTES":
        return np.array(values, object)
    return np.array(values, NUMPY[column.datatype])


def _ragged(values: list[Any], column: Column) -> np.ndarray:
    """Rows of one length make an array of higher rank; others stay rows."""
    try:
        return np.array(values, NUMPY[column.datatype])
    except ValueError:
        return _objects(values)


def _objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _annotated(inner: Column, metadata: Tuple[Any, ...]) -> Column:
    """A tuple of sizes beside an array is the shape of one row; anything else is another library's business."""
    for item in metadata:
        if inner.array and isinstance(item, tuple) and all(isinstance(size, int) for size in item):
            return inner._replace(shape=item)
    return inner


def _union(arguments: Tuple[Any, ...]) -> Column:
    kinds = [column(argument) for argument in arguments if argument is not type(None)]
    nullable = len(kinds) < len(arguments)
    if {kind.datatype for kind in kinds} == {"INT64", "FP64"} and not any(kind.shape for kind in kinds):
        return Column("FP64", nullable=nullable)
    if len(kinds) == 1:
        return kinds[0]._replace(nullable=nullable or kinds[0].nullable)
    return Column("BYTES", nullable=nullable, nested=True)


def _values(values: Tuple[Any, ...]) -> Column:
    """A closed set of values: of one type, or it has no tensor."""
    given = [value for value in values if value is not None]
    labels = tuple(str(value) for value in given)
    nullable = len(given) < len(values)
    if given and all(type(value) is type(given[0]) for value in given) and type(given[0]) in SCALARS:
        return Column(SCALARS[type(given[0])], nullable=nullable, labels=labels)
    return Column("BYTES", nullable=nullable, nested=True, labels=labels)


def _sequence(annotation: Any, arguments: Tuple[Any, ...]) -> Column:
    items = [argument for argument in arguments if argument is not Ellipsis]
    if not items:
        return Column("BYTES", nested=True)
    kinds = {column(item) for item in items}
    inner = kinds.pop()
    if kinds or inner.nested or inner.nullable:
        return Column("BYTES", nested=True)
    fixed = typing.get_origin(annotation) is tuple and Ellipsis not in arguments
    return Column(inner.datatype, (len(items) if fixed else -1, *inner.shape), labels=inner.labels, format=inner.format)


def _abstract_sequences() -> Tuple[Any, ...]:
    import collections.abc

    return (collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Iterable, collections.abc.Set)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
