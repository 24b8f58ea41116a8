"""What a protocol decodes and what it encodes: the neutral request and response.

Several of these are made for each request: msgspec makes them four times faster than a class of one's own.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import msgspec
import numpy as np

from modelbuild_runtime.tensor import Tensor


class Columns(msgspec.Struct, eq=False):
    """Tensors by name, each with the same leading number of rows: what tensor protocols send."""

    tensors: Dict[str, Tensor]


class Rows(msgspec.Struct, eq=False):
    """One item a row: JSON objects (records), or lists and numbers in the order of the contract's fields."""

    items: List[Any]


class Packed(msgspec.Struct, eq=False):
    """So many rows of numbers that were checked as they were read: bytes in the datatype of the contract's only input,
    row by row, in the machine's byte order.
    """

    data: bytes
    count: int


class Raw(msgspec.Struct, eq=False):
    """A body that the protocol did not look into, for handlers that decode by themselves.

    ``fields`` holds the bytes of a form's fields, or {"body": bytes} for any other body; ``types`` the media types of
    a form's fields, "" where they are no files.
    """

    fields: Dict[str, bytes]
    content_type: str
    types: Mapping[str, str] = {}


class Request(msgspec.Struct, eq=False):
    """One prediction to make. ``outputs`` names those asked for, empty for all. ``deadline`` is on the loop's clock
    (seconds, 0 for none). ``accept`` is the media type the client wants, for handlers that encode by themselves.
    ``wire`` is what the protocol's decode wants its encode to know; nobody else looks at it.
    """

    payload: Union[Columns, Rows, Packed, Raw]
    id: str = ""  # the protocols' own word
    parameters: Optional[Mapping[str, Any]] = None
    outputs: Sequence[str] = ()
    headers: Optional[Mapping[bytes, bytes]] = None
    accept: str = ""
    deadline: float = 0.0
    wire: Any = None
    stream: bool = False  # in parts, as soon as each is there
    explain: bool = False  # an explanation a row, not a prediction


class Response(msgspec.Struct, eq=False):
    """The answer: ``columns`` (arrays by name, one leading entry a row) or ``rows`` (whatever the handler's
    postprocess returned, one JSON-able item a row) or ``raw`` (a body that the handler encoded itself, with its
    content type, status and headers) or ``parts`` (the answer to a request that streams: JSON-able items, text or
    bytes, each made when it is asked for). Exactly one of the four is set.
    """

    count: int
    columns: Optional[Mapping[str, np.ndarray]] = None
    rows: Optional[List[Any]] = None
    raw: Optional[bytes] = None
    content_type: str = ""
    status: int = 200
    headers: Tuple[Tuple[str, str], ...] = ()
    parts: Optional[Iterator[Any]] = None


class Parts(msgspec.Struct, eq=False):
    """What a pipeline's ``stream`` returns: ``items`` makes each part when it is asked for. The rest is for handlers
    that encode by themselves, whose parts are bytes.
    """

    items: Iterator[Any]
    content_type: str = ""
    status: int = 200
    headers: Tuple[Tuple[str, str], ...] = ()


class RawItem:
    """One body on its way to a handler that decodes by itself: what such a pipeline's ``run`` takes a list of."""

    __slots__ = ("accept", "content_type", "explain", "fields", "headers", "id", "types")

    def __init__(
        self,
        fields: Mapping[str, Any],
        content_type: str = "",
        *,
        accept: str = "",
        headers: Optional[Mapping[bytes, bytes]] = None,
        id: str = "",  # noqa: A002
        types: Mapping[str, str] = {},
        explain: bool = False,
    ) -> None:
        self.fields = fields
        self.content_type = content_type
        self.accept = accept
        self.headers = headers or {}
        self.id = id
        self.types = types
        self.explain = explain


class RawAnswer:
    """The answer to one ``RawItem``: a body that the handler encoded, ready to be sent."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        body: bytes,
        content_type: str = "application/json",
        *,
        status: int = 200,
        headers: Tuple[Tuple[str, str], ...] = (),
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.status = status
        self.headers = headers
