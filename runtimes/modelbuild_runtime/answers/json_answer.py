"""Responses as JSON: the answer has the shape of the question."""

from __future__ import annotations

import base64
from typing import Any, Dict, Iterator, List, Mapping, Union

import numpy as np

from modelbuild_runtime.answers import items
from modelbuild_runtime.bodies.question import INPUTS, INSTANCES, RECORD, ROWS
from modelbuild_runtime.dataplane.shares import Share
from modelbuild_runtime.request import Response


def answer(response: Response, form: str, *, batched: bool = True, named: bool = True) -> Any:
    """What is to be said, as plain values. ``named`` is false where the value of a single output stands alone in
    answers to rows, as it always does in answers to instances.
    """
    if form == INPUTS:
        return {"outputs": outputs(response)}
    rows = rows_of(response, batched=batched, named=named and form != INSTANCES)
    if form == RECORD:
        return rows[0]
    return {"predictions": rows} if form == INSTANCES else rows


def whole_text(response: Response, form: str, *, batched: bool, named: bool, tokens: bool) -> bytes:
    """The same as JSON. Many rows are written a slice at a time: other threads run between them, and never are all rows
    there as plain values, too.
    """
    if form in (ROWS, INSTANCES) and batched and response.columns and response.count > items.MANY:
        named = named and form != INSTANCES
        slices = [encode(_rows(columns, named=named), tokens=tokens)[1:-1] for columns in _slices(response)]
        return (b'{"predictions":[%b]}' if form == INSTANCES else b"[%b]") % b",".join(slices)
    value = answer(response, form, batched=batched, named=named)
    if form == INSTANCES:
        return b'{"predictions":%b}' % encode(value["predictions"], tokens=tokens)
    return encode(value, tokens=tokens)


def text(share: Share, form: str, *, named: bool, tokens: bool) -> bytes:
    """The same as JSON, of one request's share of a run: each row of the run is written once, with those of others."""
    if form == INPUTS:
        return encode({"outputs": _columns(share)}, tokens=tokens)
    rows = share.rows(_texts_of_rows, named and form != INSTANCES, tokens)
    if form == RECORD:
        return rows[0]  # type: ignore[no-any-return]
    return (b'{"predictions":[%b]}' if form == INSTANCES else b"[%b]") % b",".join(rows)


def rows_of(response: Response, *, batched: bool = True, named: bool = True) -> List[Any]:
    """One value a row: the handler's item, an object of outputs, or the value of the only output."""
    if response.rows is not None:
        return response.rows
    columns = response.columns or {}
    if response.count == 1 and batched and (named or len(columns) != 1):
        return [{name: values(array)[0] for name, array in columns.items()}]
    if batched:
        return _rows(columns, named=named)
    sole = len(columns) == 1 and not named
    return [values(next(iter(columns.values()))) if sole else {name: values(array) for name, array in columns.items()}]


def _slices(response: Response) -> Iterator[Dict[str, np.ndarray]]:
    columns = response.columns or {}
    for at in range(0, response.count, items.MANY):
        yield {name: array[at : at + items.MANY] for name, array in columns.items()}


def _texts_of_rows(columns: Mapping[str, np.ndarray], named: bool, tokens: bool) -> List[bytes]:
    lines = [items.encode_lines(values(array)) for array in columns.values()]
    if tokens and any(b"null" in text for text in lines):
        return [encode(row, tokens=True) for row in _rows(columns, named=named)]
    texts = [text.split(b"\n")[:-1] for text in lines]  # JSON writes none within a value
    if len(texts) == 1 and not named:
        return texts[0]
    form = b"{%b}" % b",".join([items.encode(name).replace(b"%", b"%%") + b":%b" for name in columns])
    return [form % row for row in zip(*texts)]


def _rows(columns: Mapping[str, np.ndarray], *, named: bool) -> List[Any]:
    lists = [values(array) for array in columns.values()]
    if len(lists) == 1 and not named:
        return lists[0]  # type: ignore[no-any-return]
    if len(lists) == 1:
        (name,) = columns
        return [{name: value} for value in lists[0]]
    return [dict(zip(columns, row)) for row in zip(*lists)]


def outputs(response: Response) -> Any:
    """One list a name; the handler's items as they are where they have no names in common."""
    if response.rows is None:
        return _columns(response.columns or {})
    first = response.rows[0] if response.rows else None
    if isinstance(first, dict) and all(isinstance(row, dict) and row.keys() == first.keys() for row in response.rows):
        return {name: [row[name] for row in response.rows] for name in first}
    return response.rows


def values(array: np.ndarray) -> Any:
    """An array as plain values. Text in bytes is text; bytes that are no text become {"b64": ...}."""
    kind = array.dtype.kind
    if kind not in "OSMm":
        return array.tolist()
    return _texts(array.tolist()) if kind in "OS" else array.astype(str).tolist()


def encode(value: Any, *, tokens: bool = False) -> bytes:
    """JSON. What is not finite becomes null, or with ``tokens`` NaN, Infinity and -Infinity."""
    body = items.encode(value)
    if tokens and b"null" in body:
        import json

        return json.dumps(items.to_builtins(value), separators=(",", ":"), ensure_ascii=False).encode()
    return body


def encode_lines(rows: List[Any], *, tokens: bool = False) -> bytes:
    """One JSON value a line."""
    return b"".join([encode(row, tokens=tokens) + b"\n" for row in rows])


def _columns(columns: Union[Mapping[str, np.ndarray], Share]) -> Dict[str, Any]:
    return {name: values(array) for name, array in columns.items()}


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
