"""CSV bodies (RFC 4180): with or without a header, by the contract's names, straight into columns."""

from __future__ import annotations

import csv
from io import StringIO
from itertools import chain
from math import prod
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from modelbuild_runtime.bodies import cell, flat_buffer
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import NUMPY, Tensor

MAX_CELL = 1 << 24


class Table(NamedTuple):
    """What a CSV body says; ``header`` is true where it had one."""

    payload: Union[Columns, Rows]
    header: bool


def read(body: Union[bytes, bytearray], contract: Contract, header: str = "", *, separator: str = ",") -> Table:
    """Read a table. ``header`` is present, absent, or "": present if the first line says just the contract's names.

    Raises:
        InvalidInput: it is no table, or does not have the contract's columns.
    """
    if header not in ("", "present", "absent"):
        raise InvalidInput(f"the Content-Type says header={header!r}: it may be present or absent", field="header")
    plain = _plain_numbers(body, contract) if header != "present" and separator == "," else None
    if plain is not None:
        return Table(plain, header=False)
    lines = cells(body, separator)
    names = [text.strip() for text in lines[0]]
    known = [spec.name for spec in contract.inputs]
    headed = header == "present" or (not header and names_columns(names, contract))
    if headed:
        lines = lines[1:]
    if not lines:
        raise InvalidInput("the CSV has no row")
    _check_widths(lines, len(names), first=2 if headed else 1)
    if contract.open or not contract.inputs:
        return Table(Rows(_untyped(lines, names if headed else [])), headed)
    if headed and len(set(names)) != len(names):
        raise InvalidInput("the CSV's header names a column twice", field=next(n for n in names if names.count(n) > 1))
    if contract.record and _has_gaps(lines, names if headed else known, contract):
        return Table(Rows(_records(lines, names if headed else known, contract, 1 + headed)), headed)
    if headed and len(contract.inputs) > 1:
        return Table(Columns(_named(lines, names, contract)), headed)
    try:
        return Table(Columns(_in_order(lines, contract.inputs, 1 + headed)), headed)
    except InvalidInput as error:
        if headed or header or not _like_names(names):
            raise
        raise InvalidInput(f"the first line is no row, and {_no_header(names, known)}") from error


def _no_header(names: Sequence[str], known: Sequence[str]) -> str:
    """Why a first line of words does not say the contract's names."""
    if names[0] == "" and set(names[1:]) <= set(known):
        return "its first column has no name: write a data frame without its index, to_csv(index=False)"
    wrong = [name for name in names if name not in known]
    if not wrong or 2 * len(wrong) > len(names):
        return (
            f"not the contract's names ({', '.join(known[:20])}) either; "
            "where it is a header all the same, send Content-Type: text/csv;header=present"
        )
    import difflib

    near = difflib.get_close_matches(wrong[0], known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(known[:20])}"
    return f"as a header it names {wrong[0]!r}, which is no column; {hint}"


def has_header(start: Union[bytes, bytearray], contract: Contract) -> bool:
    """Whether a body that begins like this has a first line that says just the contract's names."""
    line = bytes(start).partition(b"\n")[0]
    try:
        names = next(csv.reader([line.decode("utf-8-sig")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    return names_columns([name.strip() for name in names], contract)


def _plain_numbers(body: Union[bytes, bytearray], contract: Contract) -> Optional[Columns]:
    """Most CSV is numbers only, for one tensor of floating point numbers: such lines are all but JSON."""
    spec = contract.inputs[0] if len(contract.inputs) == 1 else None
    if spec is None or NUMPY[spec.datatype].kind != "f" or b"[" in body or b"]" in body:
        return None
    lines = bytes(body).strip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\n", b"],[")
    document = flat_buffer.document(b"[[" + lines + b"]]")
    found = None if document is None else flat_buffer.numbers(document, spec.datatype)
    if found is None or not found[1].size:
        return None
    shape, flat = found
    return Columns({spec.name: Tensor(spec.datatype, _row_shape(spec, *shape), flat)})


def cells(body: Union[bytes, bytearray], separator: str = ",") -> List[List[str]]:
    """The cells of every line that is not empty; at least one line.

    Raises:
        InvalidInput: it is not CSV, not UTF-8, or empty.
    """
    try:
        text = bytes(body).decode("utf-8-sig")
        csv.field_size_limit(MAX_CELL)
        lines = [line for line in csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True) if line]
    except UnicodeDecodeError as error:
        raise InvalidInput("the CSV is not UTF-8") from error
    except csv.Error as error:
        raise InvalidInput(f"the body is not CSV: {error}") from error
    if not lines:
        raise InvalidInput("the CSV is empty")
    return lines


def _like_names(cells: Sequence[str]) -> bool:
    return all(isinstance(cell.guess(text), str) for text in cells)


def _check_widths(lines: Sequence[List[str]], width: int, first: int) -> None:
    if set(map(len, lines)) == {width}:
        return
    for number, line in enumerate(lines, first):
        if len(line) != width:
            raise InvalidInput(
                f"line {number} has {len(line)} cells, and the first has {width}", field=f"line {number}"
            )


def names_columns(names: Sequence[str], contract: Contract) -> bool:
    """Whether a line says just the contract's names, of which those may be missing that may be left out."""
    required = [spec.name for spec in contract.inputs if not spec.optional]
    return bool(contract.inputs) and set(required) <= set(names) <= {spec.name for spec in contract.inputs}


def _has_gaps(lines: Sequence[List[str]], names: Sequence[str], contract: Contract) -> bool:
    """Whether a cell is empty that may be: its record then lacks the field, which a column cannot say of one row."""
    single = {spec.name for spec in contract.inputs if len(spec.shape) == 1}
    if len(names) != len(lines[0]) or len(single) != len(contract.inputs):
        return False
    specs = _specs(names, contract)
    return any(spec.optional and cell.any_missing(spec.datatype, texts) for spec, texts in zip(specs, zip(*lines)))


def _records(lines: Sequence[List[str]], names: Sequence[str], contract: Contract, first: int) -> List[Any]:
    """A record lacks what is missing, but for a field that may be null and has no default: that one is null."""
    specs = _specs(names, contract)
    kept = set(contract.record.get("required", ()))
    try:
        return [
            {
                spec.name: None if gap else cell.value(spec.name, spec.datatype, text)
                for spec, text in zip(specs, line)
                if not (gap := spec.optional and cell.missing(spec.datatype, text)) or spec.name in kept
            }
            for line in lines
        ]
    except InvalidInput as error:
        raise _at_its_line(error, lines, specs, first) from None


def _at_its_line(
    error: InvalidInput, lines: Sequence[Sequence[str]], specs: Sequence[TensorSpec], first: int
) -> InvalidInput:
    """The error of the first cell that is nothing of its datatype, with the number of its line."""
    number = first
    try:
        for line in lines:
            for spec, text in zip(specs, line):
                if not (spec.optional and cell.missing(spec.datatype, text)):
                    cell.value(spec.name, spec.datatype, text)
            number += 1
    except InvalidInput as found:
        return InvalidInput(f"line {number}: {found.message}", field=found.field)
    return error


def _specs(names: Sequence[str], contract: Contract) -> List[TensorSpec]:
    """What the contract says of each name; an unknown one is refused with all other names."""
    specs = {spec.name: spec for spec in contract.inputs}
    return [specs.get(name, TensorSpec(name, "BYTES", (-1,))) for name in names]


def _untyped(lines: Sequence[List[str]], names: Sequence[str]) -> List[Any]:
    rows = [[cell.guess(text) for text in line] for line in lines]
    return [dict(zip(names, row)) for row in rows] if names else rows


def _named(lines: Sequence[List[str]], names: Sequence[str], contract: Contract) -> Dict[str, Tensor]:
    specs = {spec.name: spec for spec in contract.inputs}
    columns = {}
    for name, column in zip(names, zip(*lines)):
        spec = specs.get(name, TensorSpec(name, "BYTES", (-1,)))  # an unknown name is refused with all other names
        if not _is_missing(spec, column):
            columns[name] = _tensor(spec, column, 1, 2)
    return columns


def _in_order(lines: Sequence[List[str]], specs: Sequence[TensorSpec], first: int) -> Dict[str, Tensor]:
    """Cells in the order of the contract; an input of several values a row takes so many cells."""
    width = len(lines[0])
    widths = [prod(spec.shape[1:]) for spec in specs]
    if len(specs) == 1 and widths[0] != width and -1 in specs[0].shape[1:]:
        widths = [width]
    for spec in specs if len(specs) > 1 else ():
        if -1 in spec.shape[1:]:
            raise InvalidInput(
                f"{spec.name} may have any number of values: lines do not tell its cells from others; send JSON",
                field=spec.name,
            )
    if sum(widths) != width:
        names = ", ".join(spec.name for spec in specs[:20])
        raise InvalidInput(f"each line must have {sum(widths)} cells ({names}), not {width}")
    tensors, start, columns = {}, 0, list(zip(*lines)) if len(specs) > 1 else []
    for spec, size in zip(specs, widths):
        if size == 1 and columns:
            texts: Sequence[str] = columns[start]
        else:
            texts = list(chain.from_iterable([line[start : start + size] for line in lines]))
        if not _is_missing(spec, texts):
            tensors[spec.name] = _tensor(spec, texts, size, first)
        start += size
    return tensors


def _is_missing(spec: TensorSpec, texts: Sequence[str]) -> bool:
    """A column that is empty from top to bottom is not there."""
    return spec.optional and not any(texts)


def _tensor(spec: TensorSpec, texts: Sequence[str], width: int, first: int) -> Tensor:
    """``texts`` are the cells of all rows, one row after the other; ``width`` is how many a row has, ``first`` the
    number of the first row's line.
    """
    count = len(texts) // width
    try:
        flat = cell.values(spec.name, spec.datatype, texts, optional=spec.optional)
    except InvalidInput as error:
        rows = [texts[row * width : (row + 1) * width] for row in range(count)]
        raise _at_its_line(error, rows, [spec] * width, first) from None
    return Tensor(spec.datatype, _row_shape(spec, count, width), flat)


def _row_shape(spec: TensorSpec, count: int, width: int) -> Tuple[int, ...]:
    """Cells of a line as the contract shapes a row; plain where it leaves a size open."""
    inner = spec.shape[1:]
    if prod(inner) == width and -1 not in inner:
        return (count, *inner)
    return (count, width)
