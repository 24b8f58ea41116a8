"""The way in: what the dataplane hands over, made into what the handler's first function takes."""

from __future__ import annotations

from typing import Any, Callable, Dict, Hashable, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.handler.annotations import Takes
from modelbuild_runtime.handler.answers import text
from modelbuild_runtime.handler.records import RecordType
from modelbuild_runtime.signature import Signature, TensorSpec


class Entry(NamedTuple):
    """``wants``, ``inputs``, ``open`` and ``schema`` go to the contract; ``convert`` and ``rows`` make the rows of one
    request, ``enter`` what the function takes from the rows or columns of a batch. ``key`` is equal for rows that do
    not change each other's names or types in one batch; None where no rows do. ``row`` goes to the contract, too.
    """

    wants: str
    by_row: bool
    inputs: Tuple[TensorSpec, ...]
    open: bool
    schema: Dict[str, Any]
    enter: Callable[[Any], Any]
    convert: Callable[[List[Any]], List[Any]]
    rows: Callable[[Mapping[str, np.ndarray]], List[Any]]
    key: Optional[Callable[[List[Any]], Hashable]] = None
    row: Any = None


def entry(takes: Takes, signature: Signature) -> Entry:
    """The entry of a function that takes ``takes``."""
    if takes.record is not None:
        return _typed(takes, takes.record)
    if takes.kind in {"object", "records", "frame"}:
        if takes.kind == "frame":
            return Entry("rows", False, (), True, {}, _frame_of_rows, _rows, open_rows, _kinds)
        return Entry("rows", takes.by_row, (), True, {}, _same, _objects, open_rows)
    if takes.kind == "array":
        return _array(takes, signature)
    return Entry("columns", False, (), True, {}, _named(signature), _same, open_rows)


def model_entry(signature: Signature) -> Entry:
    """The entry where the model's own inputs are the contract."""
    return Entry("columns", False, signature.inputs, not signature.inputs, {}, _readable, _same, open_rows)


def open_rows(columns: Mapping[str, np.ndarray]) -> List[Any]:
    """One dict a row from arrays by name."""
    lists = {name: text(array).tolist() for name, array in columns.items()}
    return [dict(zip(lists, values)) for values in zip(*lists.values())]


def frame(columns: Mapping[str, np.ndarray]) -> Any:
    """A DataFrame of arrays by name; a row of a wider array becomes one cell."""
    import pandas as pd

    return pd.DataFrame({name: _cells(array) for name, array in columns.items()})


def _cells(array: np.ndarray) -> Any:
    """Missing text is NaN, as pandas reads it from a file. Left None, its kind would hang on the batch's other rows."""
    if array.ndim != 1:
        return list(array)
    if array.dtype.kind != "O":
        return array
    cells = array.copy()
    cells[[item is None for item in array]] = np.nan
    return cells


def _typed(takes: Takes, record: RecordType) -> Entry:
    """Rows of a declared type. Where columns of the right datatypes say all that the type checks, rows are not made."""
    unknown_rank = any(field.column.array and -1 in field.column.shape for field in record.fields)
    if takes.kind in {"record", "records"}:
        return Entry(
            "rows",
            takes.by_row,
            record.specs,
            unknown_rank,
            record.schema,
            _same,
            record.convert,
            record.rows,
            row=record.row,
        )
    into = frame if takes.kind == "frame" else _same
    if record.plain and not unknown_rank:
        return Entry(
            "columns",
            False,
            record.specs,
            False,
            record.schema,
            lambda columns: into(_readable(columns)),
            record.convert,
            record.rows,
        )
    return Entry(
        "rows",
        False,
        record.specs,
        unknown_rank,
        record.schema,
        lambda rows: into(record.columns(rows)),
        record.convert,
        record.rows,
        row=record.row,
    )


def _array(takes: Takes, signature: Signature) -> Entry:
    """One array: under the name of the model's only input, its datatype and shape as annotated."""
    if takes.shape is None:
        return Entry("columns", False, (), True, {}, _sole, _same, open_rows)
    name = signature.inputs[0].name if len(signature.inputs) == 1 else "input"
    spec = TensorSpec(name, takes.datatype, (-1, *takes.shape))
    return Entry("columns", False, (spec,), False, {}, _sole, _same, open_rows)


def _same(value: Any) -> Any:
    return value


def _own(array: np.ndarray) -> np.ndarray:
    """Text as text, and memory that the handler may write into: an array over the bytes of a body is read-only."""
    if array.dtype.kind == "O":
        return text(array)
    return array if array.flags.writeable else array.copy()


def _readable(columns: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    return {name: _own(array) for name, array in columns.items()}


def _named(signature: Signature) -> Callable[[Mapping[str, np.ndarray]], Dict[str, np.ndarray]]:
    """Rows that came without names are the model's only input, where it has just one."""
    if len(signature.inputs) != 1:
        return _readable
    name = signature.inputs[0].name

    def enter(columns: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        arrays = _readable(columns)
        return {name: arrays["input"]} if list(arrays) == ["input"] else arrays

    return enter


def _sole(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    if len(columns) != 1:
        raise InvalidInput(f"expected one array, got {len(columns)}: {', '.join(columns)}")
    (array,) = columns.values()
    return _own(array)


def _frame_of_rows(rows: List[Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows)


def _rows(items: List[Any]) -> List[Any]:
    """All objects, or all lists of one length."""
    first = items[0]
    kind = dict if isinstance(first, dict) else list
    for index, item in enumerate(items):
        if not isinstance(item, kind):
            raise InvalidInput(f"row {index} is not {'an object' if kind is dict else 'a list'}")
        if kind is list and len(item) != len(first):
            raise InvalidInput(f"row {index} has {len(item)} values, row 0 has {len(first)}")
    return items


def _kinds(items: List[Any]) -> Hashable:
    """Names and types of the rows of one request: what pandas makes of a column hangs on all of its values. Rows that
    differ have a key that no other request has.
    """
    first = _kind(items[0])
    return first if all(_kind(item) == first for item in items[1:]) else object()


def _kind(item: Any) -> Tuple[Any, ...]:
    named = item.items() if isinstance(item, dict) else enumerate(item)
    return tuple([(name, _type(value)) for name, value in named])


def _type(value: Any) -> Any:
    """Whole numbers have one of three, by their size."""
    if value.__class__ is not int or -(1 << 63) <= value < 1 << 63:
        return value.__class__
    return value.bit_length() > 64 or value < 0


def _objects(items: List[Any]) -> List[Any]:
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidInput(f"row {index} is not an object; this model takes its values by name")
    return items
