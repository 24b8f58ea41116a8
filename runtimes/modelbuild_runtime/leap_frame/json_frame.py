"""Leap frames as JSON: {"schema": {"fields": [...]}, "rows": [[...], ...]}.

Values are checked as their column's type says. A null where a number may not be missing is NaN, which JSON cannot say.
"""

from __future__ import annotations

import base64
import math
from contextlib import suppress
from itertools import chain, islice
from typing import Any, Callable, Dict, List, Mapping, Optional

import msgspec
import numpy as np

from modelbuild_runtime.bodies import base64_text
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.leap_frame import schema
from modelbuild_runtime.leap_frame.frame import (
    BASIC,
    BITS,
    BOOLEAN,
    BYTE_STRING,
    FLOAT,
    LIST,
    MAP,
    STRING,
    Column,
    Frame,
    Kind,
    LeapTensor,
    check_tensor,
)

Reader = Callable[[Any], Any]
NAN = float("nan")
MOST = float(np.finfo(np.float32).max)
WORDS = {bool: "a boolean", str: "a string", list: "a list", type(None): "null"}


def read(value: Any) -> Frame:
    """A frame of decoded JSON.

    Raises:
        InvalidInput: it is no leap frame, or a value is not of its column's type.
    """
    if not isinstance(value, dict) or not isinstance(value.get("rows"), list):
        raise InvalidInput("a leap frame must be an object with a schema and a list of rows", field="rows")
    fields, rows = schema.read(value.get("schema")), value["rows"]
    if rows and not (set(map(type, rows)) == {list} and set(map(len, rows)) == {len(fields)}):
        at = next(at for at, row in enumerate(rows) if not isinstance(row, list) or len(row) != len(fields))
        raise InvalidInput(f"row {at} must be a list of {len(fields)} values, as the schema has fields", field="rows")
    columns = []
    for (name, kind), values in zip(fields, zip(*rows) if rows else [()] * len(fields)):
        columns.append(Column(name, kind, _column(name, kind, list(values))))
    return Frame(columns, len(rows))


def write(frame: Frame) -> Dict[str, Any]:
    """The frame as plain values. What is not finite is left to the encoder, which makes null of it."""
    written = [[_written(column.kind, item) for item in column.values] for column in frame.columns]
    rows = [list(row) for row in zip(*written)] if written else [[] for _ in range(frame.rows)]
    return {"schema": schema.write([(column.name, column.kind) for column in frame.columns]), "rows": rows}


def _column(name: str, kind: Kind, values: List[Any]) -> List[Any]:
    """The values of a column, read in a few passes over all of them where each is what it should be."""
    reader = _reader(name, kind)
    found = None
    if kind.shape == BASIC:
        given = [item for item in values if item is not None] if kind.nullable and None in values else values
        found = _as_one(kind.base, given)
        if found is not None and len(given) < len(values):
            rest = iter(found)
            return [None if item is None else next(rest) for item in values]
    elif kind.shape == LIST and set(map(type, values)) == {list}:
        flat = _as_one(kind.base, list(chain.from_iterable(values)))
        rest = iter(flat or ())
        found = None if flat is None else [list(islice(rest, len(item))) for item in values]
    return [reader(item) for item in values] if found is None else found


def _as_one(base: str, values: List[Any]) -> Optional[List[Any]]:
    """What ``_basic`` makes of each; None where one is not plainly of the type."""
    types = set(map(type, values))
    if base in (BOOLEAN, STRING):
        return values if types == {bool if base == BOOLEAN else str} else None
    if base in BITS:
        most = 1 << (BITS[base] - 1)
        return values if types == {int} and -most <= min(values) <= max(values) < most else None
    if base == BYTE_STRING:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(values, List[bytes]) if types == {str} else None
    if base == BYTE_STRING or not types <= {int, float}:
        return None
    try:
        numbers = list(map(float, values)) if int in types else values
    except OverflowError:
        return None
    if base == FLOAT:
        sizes = np.abs(np.array(numbers))
        if ((sizes > MOST) & (sizes < math.inf)).any():
            return None
    return numbers


def _reader(name: str, kind: Kind) -> Reader:
    basic = _basic(name, kind.base)
    if kind.shape == BASIC:
        read_one = basic
    elif kind.shape == LIST:
        read_one = _list(name, basic)
    elif kind.shape == MAP:
        read_one = _map(name, _key(name, kind.key), basic)
    else:
        read_one = _tensor(name, kind, basic)

    def read_nullable(item: Any) -> Any:
        return None if item is None else read_one(item)

    return read_nullable if kind.nullable else read_one


def _basic(name: str, base: str) -> Reader:
    if base == BYTE_STRING:
        return lambda item: base64_text.decode(item, f"a value of column {name!r}", name)
    if base in BITS:
        most = 1 << (BITS[base] - 1)

        def read_integer(item: Any) -> int:
            if type(item) is float and item.is_integer():
                item = int(item)  # writers of numbers that know one kind only
            if type(item) is not int or not -most <= item < most:
                raise _refused(name, item, base)
            return item

        return read_integer
    if base in (BOOLEAN, STRING):
        wanted = bool if base == BOOLEAN else str
        return lambda item: item if type(item) is wanted else _refuse(name, item, base)
    return lambda item: _number(name, item, base)


def _number(name: str, item: Any, base: str) -> float:
    if item is None:
        return NAN
    if type(item) not in (int, float):
        raise _refused(name, item, base)
    try:
        number = float(item)
    except OverflowError:
        raise _refused(name, item, base) from None
    if base == FLOAT and MOST < abs(number) < math.inf:
        raise _refused(name, item, base)
    return number


def _list(name: str, basic: Reader) -> Reader:
    def read_list(item: Any) -> List[Any]:
        if type(item) is not list:
            raise _refused(name, item, LIST)
        return [basic(value) for value in item]

    return read_list


def _map(name: str, key: Reader, basic: Reader) -> Reader:
    def read_map(item: Any) -> Dict[Any, Any]:
        if type(item) is not dict:
            raise _refused(name, item, MAP)
        return {key(text): basic(value) for text, value in item.items()}

    return read_map


def _key(name: str, base: str) -> Reader:
    """Keys of JSON are text, whatever a map's are."""
    if base != STRING:
        raise InvalidInput(f"column {name!r}: the keys of a map must be strings", field=name)
    return _basic(name, base)


def _tensor(name: str, kind: Kind, basic: Reader) -> Reader:
    def read_tensor(item: Any) -> LeapTensor:
        if type(item) is not dict:
            raise _refused(name, item, "tensor")
        values, dimensions, indices = item.get("values"), item.get("dimensions"), item.get("indices")
        if type(values) is not list or type(dimensions) is not list:
            raise InvalidInput(f"column {name!r}: a tensor must have values and dimensions", field=name)
        if "indices" in item and (type(indices) is not list or any(type(index) is not list for index in indices)):
            raise InvalidInput(f"column {name!r}: the indices of a tensor must be a list of lists", field=name)
        tensor = LeapTensor([basic(value) for value in values], tuple(dimensions), indices)
        return check_tensor(name, tensor, kind)

    return read_tensor


def _written(kind: Kind, item: Any) -> Any:
    if item is None or (kind.base != BYTE_STRING and not isinstance(item, LeapTensor)):
        return item
    if isinstance(item, LeapTensor):
        written = {"values": _texts(item.values), "dimensions": item.dimensions}
        return written if item.indices is None else {"indices": item.indices, **written}
    if isinstance(item, Mapping):
        return {key: _text(value) for key, value in item.items()}
    return _texts(item) if isinstance(item, list) else _text(item)


def _texts(values: List[Any]) -> List[Any]:
    return [_text(value) for value in values] if values and isinstance(values[0], bytes) else values


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _refuse(name: str, item: Any, base: str) -> Any:
    raise _refused(name, item, base)


def _refused(name: str, item: Any, wanted: str) -> InvalidInput:
    got = str(item)[:40] if type(item) in (int, float) else WORDS.get(type(item), "an object")
    return InvalidInput(f"column {name!r}: expected {wanted}, got {got}", field=name)
