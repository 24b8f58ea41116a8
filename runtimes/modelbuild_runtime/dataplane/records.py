"""Rows of JSON to the columns that a contract asks for."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from modelbuild_runtime.dataplane.arrays import Values, to_array
from modelbuild_runtime.dataplane.complaints import missing, no_rows, quoted, unknown
from modelbuild_runtime.dataplane.fields import Field, Fields
from modelbuild_runtime.dataplane.prepared import Prepared, key_of
from modelbuild_runtime.errors import InvalidInput


def columns_from(fields: Fields, items: List[Any]) -> Prepared:
    """Rows, as objects or as lists in the order of the fields, against the contract.

    Raises:
        InvalidInput: a name, type or length does not fit.
    """
    if not items:
        raise no_rows()
    if not fields.batched and len(items) > 1:
        raise InvalidInput("this model takes one item a request")
    if fields.simple and len(fields.all) == 1 and items[0].__class__ is list:
        (sole,) = fields.all
        return ({sole.name: _flat(fields, sole, items)}, len(items), None)
    cells = _from_objects(fields, items) if isinstance(items[0], dict) else _from_lists(fields, items)
    inputs = {field.name: _flat(fields, field, cells[field.name]) for field in fields.all if field.name in cells}
    return (inputs, len(items), None if fields.simple else key_of(inputs))


def _from_objects(fields: Fields, items: List[Any]) -> Dict[str, List[Any]]:
    names, width = fields.names, len(fields.names)
    for i, item in enumerate(items):
        if item.__class__ is not dict:
            raise _row_complaint(i, item, "an object, as row 0 is")
        if len(item) != width or fields.names.keys() != item.keys():
            _check_names(fields, item, f"row {i}: " if len(items) > 1 else "")
    if fields.simple:
        return {name: [item[name] for item in items] for name in names}
    return {name: [item.get(name) for item in items] for name in names if any(name in item for item in items)}


def _check_names(fields: Fields, item: Dict[str, Any], where: str) -> None:
    if any(name not in fields.names for name in item):
        raise unknown(item, fields.names, where=where)
    for field in fields.all:
        if field.name not in item and not field.optional:
            raise missing(field.name, fields.names, where=where)


def _from_lists(fields: Fields, items: List[Any]) -> Dict[str, List[Any]]:
    if len(fields.all) == 1:
        return {fields.all[0].name: items}
    width = len(fields.all)
    for i, item in enumerate(items):
        if item.__class__ is not list or len(item) != width:
            wanted = f"a list of {width} values ({quoted(fields.names)}), or an object"
            raise _row_complaint(i, item, wanted)
    return {field.name: list(cells) for field, cells in zip(fields.all, zip(*items))}


def _flat(fields: Fields, field: Field, cells: List[Any]) -> Values:
    """The values of one field of all rows in one flat list, each row checked against the shape of a row."""
    inner = field.inner
    if not inner:
        scalars = _scalars(field, cells)
        return scalars if fields.simple else _array(fields, field, scalars, (len(cells),))
    flat: List[Any] = []
    if len(inner) == 1 and field.fixed:
        size = inner[0]
        if fields.simple and len(cells) == 1 and cells[0].__class__ is list and len(cells[0]) == size:
            return cells[0]
        for i, cell in enumerate(cells):
            if cell.__class__ is list and len(cell) == size:
                flat += cell
            elif size == 1 and cell.__class__ is not list:
                flat.append(cell)
            else:
                raise _shape_complaint(field, i, cell)
        return flat if fields.simple else _array(fields, field, flat, (len(cells), *inner))
    shape: Optional[Tuple[int, ...]] = None
    for i, cell in enumerate(cells):
        found = _shape_of(cell)
        if len(found) != len(inner) or any(want not in (-1, got) for want, got in zip(inner, found)):
            raise _shape_complaint(field, i, cell)
        if shape is not None and found != shape:
            raise InvalidInput(f"input {field.name!r}: row {i} has another shape than row 0", field=field.name)
        shape = found
        _flatten(field, i, cell, found, flat)
    return flat if fields.simple else _array(fields, field, flat, (len(cells), *(shape or inner)))


def _array(fields: Fields, field: Field, flat: List[Any], shape: Tuple[int, ...]) -> Values:
    """``shape`` counts the rows: a size of 0 leaves their number open."""
    return to_array(field, flat).reshape(shape if fields.batched else shape[1:])


def _scalars(field: Field, cells: List[Any]) -> List[Any]:
    """Cells as they are, or out of lists of one."""
    if not any(cell.__class__ is list for cell in cells):
        return cells
    for i, cell in enumerate(cells):
        if isinstance(cell, list) and len(cell) != 1:
            raise _shape_complaint(field, i, cell)
    return [cell[0] if isinstance(cell, list) else cell for cell in cells]


def _shape_of(cell: Any) -> Tuple[int, ...]:
    shape = []
    while isinstance(cell, list):
        shape.append(len(cell))
        if not cell:
            break
        cell = cell[0]
    return tuple(shape)


def _flatten(field: Field, row: int, cell: Any, shape: Tuple[int, ...], into: List[Any]) -> None:
    if not isinstance(cell, list) or len(cell) != shape[0]:
        raise InvalidInput(f"input {field.name!r}: row {row} is ragged, its lists differ in length", field=field.name)
    if len(shape) == 1:
        into += cell
        return
    for part in cell:
        _flatten(field, row, part, shape[1:], into)


def _shape_complaint(field: Field, row: int, cell: Any) -> InvalidInput:
    got = f"shape {list(_shape_of(cell))}" if isinstance(cell, list) else "a single value"
    wanted = f"shape {list(field.inner)}" if field.inner else "a single value"
    return InvalidInput(f"input {field.name!r}: row {row} has {got}, expected {wanted}", field=field.name)


def _row_complaint(row: int, item: Any, wanted: str) -> InvalidInput:
    got = "an object" if isinstance(item, dict) else f"a list of {len(item)}" if isinstance(item, list) else "a value"
    return InvalidInput(f"row {row} is {got}, expected {wanted}")
