"""Values that mean the right thing in another spelling: what tensors and spreadsheets make of a record's fields."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Sequence

import msgspec
import numpy as np

from modelbuild_runtime.handler.fields import Column, Field

LONGEST = 60
"""Characters of a value that an error message repeats."""

FRAME = "a data frame is sent as its rows: frame.to_json(orient='records')"


_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00(?::00(?:\.0+)?)?", re.ASCII)
"""How pandas writes a date, which is a time to it. With a zone it might be another day's."""


def repair(item: Dict[str, Any], fields: Sequence[Field]) -> Dict[str, Any]:
    """An object with every value in the spelling that JSON would have for its field."""
    fixed = dict(item)
    for field in fields:
        if field.name in fixed:
            fixed[field.name] = _value(fixed[field.name], field.column)
    return fixed


def entries(array: np.ndarray, column: Column) -> List[Any]:
    """One Python value a row. A column of single values may come as rows of one value each."""
    if not column.shape and not column.nested and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return list(array.copy()) if column.array else array.tolist()  # a handler may write into it


def shown(value: Any) -> str:
    """A value as an error message repeats it: shortened, and never a structure."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    text = "null" if value is None else repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _value(value: Any, column: Column) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if column.array:
        return value
    if isinstance(value, (list, np.ndarray)):
        items = value.tolist() if isinstance(value, np.ndarray) else value
        return [_value(entry, column) for entry in items]
    if isinstance(value, float) and column.datatype == "INT64" and value.is_integer():
        return int(value)
    if column.datatype == "BYTES" and not column.raw:
        return _text(value, column)
    return value


def _text(value: Any, column: Column) -> Any:
    if isinstance(value, (bytes, bytearray)):
        try:
            value = bytes(value).decode()
        except UnicodeDecodeError:
            return value
    if column.nested and isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    midnight = _MIDNIGHT.fullmatch(value) if column.format == "date" and isinstance(value, str) else None
    return midnight.group(1) if midnight is not None else value
