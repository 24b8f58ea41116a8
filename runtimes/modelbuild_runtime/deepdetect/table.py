"""The lines of CSV that a DeepDetect request may hold as its ``data``."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any, List, Mapping, Sequence

from modelbuild_runtime.bodies import cell, csv_body
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.deepdetect.data import Data, text
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensor import NUMPY


def read(items: Sequence[str], parameters: Mapping[str, Any], contract: Contract) -> Data:
    """Lines with or without a header, as the contract's names tell; with a column of ids where one is named.

    Raises:
        InvalidInput: a parameter is of another kind, or the lines do not fit.
    """
    separator = text(parameters, "separator", ",")
    if len(separator) != 1 or separator == '"' or not (separator.isprintable() or separator == "\t"):
        raise InvalidInput("parameters.input.separator must be one character", field="parameters.input.separator")
    identity = text(parameters, "id", "")
    dropped = _texts(parameters, "ignore")
    body = "\n".join(items).encode()
    if not identity and not dropped:
        names = csv_body.cells(items[0].encode().partition(b"\n")[0], separator)[0]
        header = _header(names, contract)
        return Data(csv_body.read(body, contract, header, separator=separator).payload, first=1)
    lines = csv_body.cells(body, separator)
    names = [name.strip() for name in lines[0]]
    known = {spec.name for spec in contract.inputs}
    away = [name for name in (identity, *dropped) if name and name not in known]
    kept = [at for at, name in enumerate(names) if name not in away]
    uris = [line[names.index(identity)] for line in lines[1:] if len(line) == len(names)] if identity in names else []
    if not set(names) & {identity, *dropped}:
        return Data(csv_body.read(_written(lines), contract, _header(names, contract)).payload, first=1)
    rest = [[line[at] for at in kept] if len(line) == len(names) else line for line in lines]
    return Data(csv_body.read(_written(rest), contract, "present").payload, tuple(uris), first=1)


def _header(names: Sequence[str], contract: Contract) -> str:
    """Whether a first line is a header: it has the contract's names, or text where only numbers can be."""
    plain = [name.strip() for name in names]
    numeric = bool(contract.inputs) and all(NUMPY[spec.datatype].kind in "iuf" for spec in contract.inputs)
    texts = numeric and all(isinstance(cell.guess(name), str) for name in plain)
    return "present" if texts or csv_body.names_columns(plain, contract) else "absent"


def _written(lines: Sequence[Sequence[str]]) -> bytes:
    written = StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(lines)
    return written.getvalue().encode()


def _texts(parameters: Mapping[str, Any], name: str) -> List[str]:
    value = parameters.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"parameters.input.{name} must be a list of strings", field=f"parameters.input.{name}")
    return value
