"""The ``data`` of a DeepDetect request: lines of CSV, JSON, text, or base64, as its input connectors read them.

Nothing is fetched and no file is read: what DeepDetect would take for a URI is refused.
"""

from __future__ import annotations

import csv
from io import StringIO
from math import prod
from typing import Any, List, Mapping, NamedTuple, Sequence, Tuple, Union

from modelbuild_runtime.bodies import base64_text, cell, csv_body, json_body
from modelbuild_runtime.bodies.question import only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows
from modelbuild_runtime.tensor import NUMPY

NO_DATA = "No Data"
CONNECTORS = ("csv", "image", "txt")
"""What may be said of how a service takes its data."""
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
"""What pictures begin with: base64 of one is a picture, whatever else might be text."""


class Data(NamedTuple):
    """Rows, and the name that each has in the answer."""

    payload: Union[Columns, Rows]
    uris: Tuple[str, ...] = ()  # empty: numbers from ``first`` on
    first: int = 0

    def uri(self, row: int) -> str:
        """What the answer calls a row."""
        return self.uris[row] if row < len(self.uris) else str(self.first + row)


def connector(contract: Contract) -> str:
    """The input connector that is nearest to what the model takes."""
    return "image" if takes_bytes(contract) else "csv"


def takes_bytes(contract: Contract) -> bool:
    """Whether a row is one piece of text or bytes."""
    single = only_input(contract)
    return single is not None and single.datatype == "BYTES" and abs(prod(single.shape[1:])) == 1


def read(items: List[Any], parameters: Mapping[str, Any], contract: Contract) -> Data:
    """Read the items of ``data``; ``parameters`` are those of the input.

    Raises:
        InvalidInput: an item cannot be read.
    """
    if not items:
        raise InvalidInput(NO_DATA, field="data")
    if all(isinstance(item, (dict, list)) for item in items):
        return Data(Rows(items))
    for at, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidInput(f"data[{at}] must be a string", field="data")
        if item[:8].lower().startswith(("http://", "https://", "file://")):
            raise InvalidInput(f"data[{at}] is a URL: nothing is fetched here, send what it leads to", field="data")
    if takes_bytes(contract):
        kind = _text(parameters, "connector", "")
        return Data(Rows([_piece(item, at, kind) for at, item in enumerate(items)]))
    if items[0].lstrip()[:1] in ("{", "["):
        return Data(Rows([_json(item, at) for at, item in enumerate(items)]))
    return _table(items, parameters, contract)


def _piece(item: str, at: int, kind: str) -> Union[str, bytes]:
    if kind == "image":
        return base64_text.decode(item, f"data[{at}]", "data")
    if kind != "txt" and len(item) % 4 == 0:
        try:
            found = base64_text.decode(item, "")
        except InvalidInput:
            return item
        if found.startswith(MAGIC):
            return found
    return item


def _json(item: str, at: int) -> Any:
    try:
        return json_body.read(item.encode())
    except InvalidInput as error:
        raise InvalidInput(error.message.replace("the body", f"data[{at}]", 1), field="data") from error


def _table(items: Sequence[str], parameters: Mapping[str, Any], contract: Contract) -> Data:
    """Lines with or without a header, as the contract's names tell; with a column of ids where one is named."""
    separator = _text(parameters, "separator", ",")
    if len(separator) != 1 or separator == '"' or not (separator.isprintable() or separator == "\t"):
        raise InvalidInput("parameters.input.separator must be one character", field="parameters.input.separator")
    identity = _text(parameters, "id", "")
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
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _text(parameters: Mapping[str, Any], name: str, default: str) -> str:
    value = parameters.get(name, default)
    if not isinstance(value, str):
        raise InvalidInput(f"parameters.input.{name} must be a string", field=f"parameters.input.{name}")
    return value


def _texts(parameters: Mapping[str, Any], name: str) -> List[str]:
    value = parameters.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"parameters.input.{name} must be a list of strings", field=f"parameters.input.{name}")
    return value
