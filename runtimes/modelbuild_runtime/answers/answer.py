"""Responses by media type, the counterpart of ``body``."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

import numpy as np

from modelbuild_runtime.answers import items, json_answer, npy_answer, parts
from modelbuild_runtime.bodies.question import INSTANCES, Wire
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.shares import Share
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.request import Response


def offers(contract: Contract, usual: str = "", *, streams: bool = False) -> Tuple[str, ...]:
    """The media types that answers can have, the usual one first. Without rows there are no lines."""
    lines = (media_type.CSV, media_type.JSON_LINES) if contract.batched else ()
    found = (media_type.JSON, *lines, media_type.NPY, *((media_type.EVENT_STREAM,) if streams else ()))
    return (usual, *(name for name in found if name != usual)) if usual in found else found


class AnswerWriter:
    """Writes answers. ``named`` is false where the value of a single output stands alone, ``tokens`` true where clients
    expect NaN rather than null.
    """

    def __init__(self, contract: Contract, *, named: bool = True, tokens: bool = False) -> None:
        self._contract = contract
        self._named = named
        self._tokens = tokens
        self._by_rows = contract.batched

    def write(self, wire: Optional[Wire], response: Response) -> HttpResponse:
        """The response in the media type and the shape that were chosen when the question was read; a handler that
        decodes by itself encodes by itself too, and there is no ``wire`` then.

        Raises:
            ServerError: that media type cannot hold it.
        """
        columns: Any = response.columns
        if isinstance(columns, Share) and wire is not None and wire.media.name == media_type.JSON and self._by_rows:
            return HttpResponse(200, json_answer.text(columns, wire.form, named=self._named, tokens=self._tokens))
        return self._write_any(wire, response)

    def _write_any(self, wire: Optional[Wire], response: Response) -> HttpResponse:
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        if response.parts is not None or wire is None:
            return parts.answer(response, wire.media.name if wire else "")
        kind = wire.media.name
        if kind == media_type.JSON:
            body = json_answer.whole_text(
                response, wire.form, batched=self._by_rows, named=self._named, tokens=self._tokens
            )
            return HttpResponse(200, body)
        if kind == media_type.JSON_LINES:
            named = self._named and wire.form != INSTANCES
            rows = json_answer.rows_of(response, batched=self._contract.batched, named=named)
            return HttpResponse(200, json_answer.encode_lines(rows, tokens=self._tokens), media_type.JSON_LINES)
        if kind == media_type.CSV:
            header = wire.media.params.get("header", "present" if wire.header else "") == "present"
            from modelbuild_runtime.answers import csv_answer

            body = csv_answer.encode(self._columns(response), self._contract.outputs, header=header)
            return HttpResponse(200, body, "text/csv; charset=utf-8")
        return HttpResponse(200, npy_answer.encode(self._columns(response)), media_type.NPY)

    def _columns(self, response: Response) -> Mapping[str, np.ndarray]:
        if response.rows is not None:
            return items.to_columns(response.rows, self._contract.outputs)
        return response.columns or {}
