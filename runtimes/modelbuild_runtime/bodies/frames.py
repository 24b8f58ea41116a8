"""Data frames as pandas writes them to JSON, in its orientations "split" and "records", into rows for a contract."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from modelbuild_runtime.bodies.question import is_open, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Rows

_OF_SPLIT = {"columns", "index", "data"}


def split(frame: Any, contract: Contract, field: str) -> Rows:
    """{"columns": names, "index": labels, "data": rows}; only the rows must be there, and labels mean nothing here.

    Raises:
        InvalidInput: it is no such frame, or lacks a column that the contract asks for.
    """
    if not isinstance(frame, dict) or "data" not in frame or not frame.keys() <= _OF_SPLIT:
        got = f"has the fields {', '.join(map(repr, list(frame)[:20]))}" if isinstance(frame, dict) else "is no object"
        raise InvalidInput(f"{field!r} must have 'data' and may have 'columns' and 'index', but {got}", field=field)
    names, rows, index = frame.get("columns"), frame["data"], frame.get("index")
    if not isinstance(rows, list):
        raise InvalidInput(f"the 'data' of {field!r} must be a list of rows", field=field)
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise InvalidInput(f"the 'index' of {field!r} must be a list with one entry a row", field=field)
    if names is None:
        return Rows(rows)
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise InvalidInput(f"the 'columns' of {field!r} must be a list of names", field=field)
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise InvalidInput(
                f"row {at} of {field!r} must be a list of {len(names)} values, one a column", field=field
            )
    return _named([str(name) for name in names], rows, contract)


def records(items: Any, contract: Contract, field: str) -> Rows:
    """A list of objects by column. Columns that the contract does not know are left out, as a frame may have more.

    Raises:
        InvalidInput: it is no such list.
    """
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidInput(f"{field!r} must be a list of records", field=field)
    names = list(items[0]) if items else []
    if names and _is_matrix(names, contract):
        for at, item in enumerate(items):
            if item.keys() != items[0].keys():
                raise InvalidInput(f"record {at} of {field!r} has other columns than record 0", field=field)
        return Rows([[item[name] for name in names] for item in items])
    return Rows(known(items, contract))


def known(items: List[Any], contract: Contract) -> List[Any]:
    """The same rows, objects among them without the fields that the contract does not know."""
    if is_open(contract):
        return items
    names = {spec.name for spec in contract.inputs}
    if all(not isinstance(item, dict) or item.keys() <= names for item in items):
        return items
    return [_only(item, names) if isinstance(item, dict) else item for item in items]


def missing(names: Sequence[str], contract: Contract) -> Optional[InvalidInput]:
    """The complaint about columns that the contract asks for and a frame does not have."""
    lacking = [spec.name for spec in contract.inputs if not spec.optional and spec.name not in names]
    if not lacking or is_open(contract):
        return None
    return InvalidInput(f"Model is missing inputs {lacking[:20]}.", field=lacking[0])


def _named(names: List[str], rows: List[Any], contract: Contract) -> Rows:
    if _is_matrix(names, contract):
        return Rows(rows)
    complaint = missing(names, contract)
    if complaint is not None:
        raise complaint
    wanted = names if is_open(contract) else {spec.name for spec in contract.inputs}
    places = [(name, at) for at, name in enumerate(names) if name in wanted]
    if len({name for name, _ in places}) != len(places):
        raise InvalidInput("a column that the model takes is there twice", field=names[0])
    return Rows([{name: row[at] for name, at in places} for row in rows])


def _is_matrix(names: Sequence[str], contract: Contract) -> bool:
    """Whether the columns are those of the only input, which is a matrix and knows no names of them."""
    single = only_input(contract)
    return single is not None and not contract.record and single.name not in names and len(single.shape) > 1


def _only(item: Dict[str, Any], names: Any) -> Dict[str, Any]:
    return {name: value for name, value in item.items() if name in names}
