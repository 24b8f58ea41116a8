"""The ``data`` of a DeepDetect request: lines of CSV, JSON, text, or base64, as its input connectors read them.

Nothing is fetched and no file is read: what DeepDetect would take for a URI is refused.
"""

from __future__ import annotations

from math import prod
from typing import Any, List, Mapping, NamedTuple, Tuple, Union

from modelbuild_runtime.bodies import base64_text, json_body
from modelbuild_runtime.bodies.question import only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.request import Columns, Rows

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
        kind = text(parameters, "connector", "")
        return Data(Rows([_piece(item, at, kind) for at, item in enumerate(items)]))
    if items[0].lstrip()[:1] in ("{", "["):
        return Data(Rows([_json(item, at) for at, item in enumerate(items)]))
    from modelbuild_runtime.deepdetect import table  # the server's POST /predict is this protocol's, too

    return table.read(items, parameters, contract)


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


def text(parameters: Mapping[str, Any], name: str, default: str) -> str:
    """A parameter that is a string.

    Raises:
        InvalidInput: it is another thing.
    """
    value = parameters.get(name, default)
    if not isinstance(value, str):
        raise InvalidInput(f"parameters.input.{name} must be a string", field=f"parameters.input.{name}")
    return value
