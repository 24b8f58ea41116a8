"""Record types: a dataclass, TypedDict, msgspec.Struct, attrs or pydantic class is the contract of one row."""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
import typing
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple, Type

import msgspec
import numpy as np

from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.handler import repair
from modelbuild_runtime.handler.exact_rows import exact_rows
from modelbuild_runtime.handler.fields import Column, Field, array_of, column
from modelbuild_runtime.handler.record_arrays import exact, has_shape, nested_schema
from modelbuild_runtime.handler.refusal import Refused, from_msgspec, from_pydantic
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY


def is_record(annotation: Any) -> bool:
    """Whether a class is one of the kinds of record type."""
    if not isinstance(annotation, type):
        return False
    return (
        dataclasses.is_dataclass(annotation)
        or issubclass(annotation, msgspec.Struct)
        or (issubclass(annotation, dict) and hasattr(annotation, "__total__"))
        or hasattr(annotation, "__attrs_attrs__")
        or is_pydantic(annotation)
    )


def is_pydantic(annotation: Any) -> bool:
    """Whether a class is a pydantic model (version 2), without importing pydantic."""
    return hasattr(annotation, "model_validate") and hasattr(annotation, "model_fields")


class RecordType:
    """One record type: its fields as columns, its JSON Schema, and rows made its instances."""

    def __init__(self, cls: Type[Any]) -> None:
        """Understand a class.

        Raises:
            LoadError: a field's annotation cannot be resolved, or means nothing to msgspec.
        """
        self.cls = cls
        pydantic = is_pydantic(cls)
        self.fields: Tuple[Field, ...] = _pydantic_fields(cls) if pydantic else _msgspec_fields(cls)
        self.names = tuple(field.name for field in self.fields)
        self.specs: Tuple[TensorSpec, ...] = tuple(field.spec for field in self.fields)
        self.open = _takes_more(cls)
        self.schema = _pydantic_schema(cls) if pydantic else _msgspec_schema(cls, self.fields, self.open)
        self.plain = all(field.plain for field in self.fields) and _unconstrained(cls, self.schema)
        self._known = frozenset(self.names)
        self._instances = _pydantic_instances(cls) if pydantic else _msgspec_instances(cls)
        self._getters = [_getter(cls, field) for field in self.fields]
        self._exact = None if pydantic else exact_rows(cls, self.fields)
        self.row = self._exact.row if self._exact is not None else None
        self._arrays = [pair for pair in zip(self.fields, self._getters) if pair[0].column.shaped]

    def convert(self, items: Sequence[Any]) -> List[Any]:
        """Objects, or values in the order of the fields, to instances; or what was decoded as ``row``.

        Raises:
            InvalidInput: it says which field of which row is not as the type wants it.
        """
        if self._exact is not None and items and items[0].__class__ is self.row:
            try:
                return self._exact.instances(items)
            except OverflowError:
                items = msgspec.to_builtins(items)
        objects = [item if type(item) is dict else self._object(item, i, len(items)) for i, item in enumerate(items)]
        if not self.open:
            for index, item in enumerate(objects):
                if not self._known.issuperset(item):
                    self._refuse_unknown(item, index, len(items))
        try:
            return self._made(objects)
        except Refused:
            # Tensors and spreadsheets spell values differently: 3.0 for 3, bytes for text.
            repaired = [repair.repair(item, self.fields) for item in objects]
        try:
            return self._made(repaired)
        except Refused as refused:
            raise refused.told(objects) from None

    def columns(self, records: Sequence[Any]) -> Dict[str, np.ndarray]:
        """One array a field."""
        return {
            field.name: array_of(_values([getter(record) for record in records], field.column), field.column)
            for field, getter in zip(self.fields, self._getters)
        }

    def rows(self, columns: Mapping[str, np.ndarray]) -> List[Any]:
        """Instances from arrays by name, one leading entry a row."""
        lists = {name: repair.entries(array, self._column(name)) for name, array in columns.items()}
        return self.convert([dict(zip(lists, values)) for values in zip(*lists.values())])

    def _made(self, objects: List[Dict[str, Any]]) -> List[Any]:
        """Instances, whose arrays have the shapes that their annotations say."""
        made = self._instances(objects)
        for field, getter in self._arrays:
            for index, record in enumerate(made):
                array = getter(record)
                if isinstance(array, np.ndarray) and not has_shape(array, field.column.shape):
                    what = f"expected an array of shape {list(field.column.shape)}, got {list(np.shape(array))}"
                    raise Refused(what, (index, field.name))
        return made

    def _column(self, name: str) -> Column:
        for field in self.fields:
            if field.name == name:
                return field.column
        return Column("BYTES")

    def _object(self, item: Any, index: int, count: int) -> Dict[str, Any]:
        if not issubclass(self.cls, dict) and isinstance(item, self.cls):
            return {field.name: getter(item) for field, getter in zip(self.fields, self._getters)}
        if isinstance(item, Mapping):
            return dict(item)
        values = list(item) if isinstance(item, (list, tuple)) else [item]
        required = sum(1 for field in self.fields if field.required)
        if not required <= len(values) <= len(self.fields) or (len(self.fields) > 1 and values == [item]):
            raise InvalidInput(
                f"{_row(index, count)}expected an object, or a list of the {len(self.fields)} values "
                f"{', '.join(self.names)}; got {repair.shown(item)}",
            )
        return dict(zip(self.names, values))

    def _refuse_unknown(self, item: Dict[str, Any], index: int, count: int) -> None:
        import difflib

        name = next(key for key in item if key not in self._known)
        near = difflib.get_close_matches(str(name), self.names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(self.names)}"
        if {"columns", "data"} <= item.keys():
            hint = repair.FRAME
        raise InvalidInput(
            f"{_row(index, count)}there is no field {repair.shown(name)}; {hint}", field=str(name)[: repair.LONGEST]
        )


def _values(values: List[Any], column: Column) -> List[Any]:
    """Members of an Enum are their values in a column."""
    return [value.value if isinstance(value, enum.Enum) else value for value in values] if column.labels else values


def _row(index: int, count: int) -> str:
    return f"row {index}: " if count > 1 else ""


def _msgspec_instances(cls: Type[Any]) -> Callable[[List[Dict[str, Any]]], List[Any]]:
    rows = List[cls]  # type: ignore[valid-type]
    kind: Any = msgspec.defstruct("Rows", [("rows", rows)])  # a list's type msgspec would look through each time
    defaults = _defaults(cls)

    def instances(objects: List[Dict[str, Any]]) -> List[Any]:
        try:
            made: List[Any] = msgspec.convert({"rows": objects}, kind, dec_hook=_decode_array).rows
        except msgspec.ValidationError as error:
            raise from_msgspec(error) from None
        for record in made if defaults else ():
            for name, default in defaults.items():
                record.__dict__.setdefault(name, default)
        return made

    return instances


def _defaults(cls: Type[Any]) -> Dict[str, Any]:
    """Defaults of a dataclass that msgspec leaves to the class: a handler may look into ``vars(record)``."""
    if not dataclasses.is_dataclass(cls) or hasattr(cls, "__slots__"):
        return {}
    return {f.name: f.default for f in dataclasses.fields(cls) if f.init and f.default is not dataclasses.MISSING}


def _pydantic_instances(cls: Any) -> Callable[[List[Dict[str, Any]]], List[Any]]:
    def instances(objects: List[Dict[str, Any]]) -> List[Any]:
        made: List[Any] = []
        try:
            for item in objects:
                made.append(cls.model_validate(item))  # noqa: PERF401  # its length says which row was refused
        except ValueError as error:
            raise from_pydantic(error, len(made)) from None
        return made

    return instances


def _decode_array(kind: Any, value: Any) -> Any:
    """Arrays in records: msgspec asks for every type that it does not know."""
    if kind is np.ndarray:
        return np.asarray(value)
    if typing.get_origin(kind) is np.ndarray:
        return exact(value, _dtype_of(kind))
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    raise NotImplementedError(f"a value of type {kind}")


@functools.lru_cache(maxsize=256)
def _dtype_of(kind: Any) -> np.dtype:
    """Of an array's annotation, which every record of every request asks for."""
    return np.dtype(NUMPY[column(kind).datatype])


def _msgspec_fields(cls: Type[Any]) -> Tuple[Field, ...]:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
        known = msgspec.inspect.type_info(cls).fields  # type: ignore[attr-defined]
    except (NameError, TypeError) as error:
        raise LoadError(
            f"the record type {cls.__name__} of the handler cannot be read: {error}",
            "Its annotations must be importable at run time, and understood by the Python of the image.",
        ) from error
    # A TypedDict's fields come sorted by name; rows without names are in the order in which they are written.
    order = {name: index for index, name in enumerate(hints)} if issubclass(cls, dict) else {}
    return tuple(
        Field(item.encode_name, item.name, column(hints[item.name]), item.required)
        for item in sorted(known, key=lambda item: order.get(item.name, 0))
    )


def _pydantic_fields(cls: Any) -> Tuple[Field, ...]:
    return tuple(
        Field(info.alias or name, name, column(info.annotation), info.is_required())
        for name, info in cls.model_fields.items()
    )


def _getter(cls: Type[Any], field: Field) -> Callable[[Any], Any]:
    if issubclass(cls, dict):
        return lambda record: record.get(field.attribute)
    return operator.attrgetter(field.attribute)


def _takes_more(cls: Any) -> bool:
    """Whether the type says by itself that unknown fields are welcome. Otherwise a misspelt name is an error."""
    return is_pydantic(cls) and cls.model_config.get("extra") in {"allow", "ignore"}


def _msgspec_schema(cls: Type[Any], fields: Sequence[Field], takes_more: bool) -> Dict[str, Any]:
    try:
        schema = msgspec.json.schema(cls, schema_hook=_array_schema)
    except TypeError as error:
        why = str(error).splitlines()[-1]
        raise LoadError(
            f"the record type {cls.__name__} of the handler has a field that no JSON can fill: {why}",
            "Clients send text, numbers, true and false, times, lists and objects of them: take those.",
        ) from error
    definitions = schema.pop("$defs", {})
    top = dict(definitions.pop(schema.pop("$ref", "").rpartition("/")[2], schema))
    top["additionalProperties"] = takes_more
    top["properties"] = {field.name: _with_format(field, top["properties"][field.name]) for field in fields}
    return {**top, "$defs": definitions} if definitions else top


def _with_format(field: Field, schema: Dict[str, Any]) -> Dict[str, Any]:
    """What msgspec leaves out: the shape of an array, and the format of a time where one without a zone is as good."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_with_format(field, choice) for choice in schema["anyOf"]]}
    if field.column.shaped and schema.get("type") == "array":
        return {**schema, **nested_schema(field.column)}
    named = field.column.format and schema.get("type") == "string"
    return {"format": field.column.format, **schema} if named else schema


def _array_schema(kind: Any) -> Dict[str, Any]:
    if kind is np.ndarray or typing.get_origin(kind) is np.ndarray:
        return {"type": "array"}
    raise NotImplementedError(f"no JSON Schema for {kind}")


def _pydantic_schema(cls: Any) -> Dict[str, Any]:
    schema: Dict[str, Any] = cls.model_json_schema()
    return schema


def _unconstrained(cls: Type[Any], schema: Mapping[str, Any]) -> bool:
    """Whether columns of the right datatypes are all that the type asks for: then rows need not be made."""
    if is_pydantic(cls) or hasattr(cls, "__post_init__"):
        return False
    plain = {"type", "title", "description", "items", "minItems", "maxItems", "contentEncoding", "examples"}
    return all(set(prop) <= plain for prop in schema.get("properties", {}).values())
