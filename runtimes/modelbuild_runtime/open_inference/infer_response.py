"""The Open Inference Protocol's infer response over HTTP: JSON, and tensors in JSON or as raw bytes after it."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import msgspec
import numpy as np

from modelbuild_runtime.answers import items
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.arrays import normal
from modelbuild_runtime.dataplane.shares import Share
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.open_inference import binary_tensor
from modelbuild_runtime.open_inference.classification import classify
from modelbuild_runtime.open_inference.infer_request import Output
from modelbuild_runtime.request import Response
from modelbuild_runtime.signature import TensorSpec
from modelbuild_runtime.tensor import DATATYPES

_encode = msgspec.json.Encoder().encode
_LONG = 4096
"""Bytes of JSON from which looking at the numbers is quicker than looking for a word."""
Chunk = Union[bytes, memoryview]


class Wanted(NamedTuple):
    """How a request wants its outputs: all as raw bytes, each by its name, or with null in place of NaN."""

    binary: bool = False
    strict: bool = False
    outputs: Mapping[str, Dict[str, Any]] = {}


_RAW = Wanted(binary=True)


def wanted(outputs: Optional[Sequence[Output]], parameters: Optional[Mapping[str, Any]]) -> Optional[Wanted]:
    """What a request says of its outputs; None where it says nothing.

    Raises:
        InvalidInput: one of its parameters has no meaning.
    """
    general = parameters or {}
    binary = _flag(general, "binary_data_output", "parameters")
    strict = _flag(general, "strict_json", "parameters")
    if not outputs:
        return Wanted(binary, strict) if binary or strict else None
    by_name: Dict[str, Dict[str, Any]] = {}
    for output in outputs:
        if output.name in by_name:
            raise InvalidInput(f"output {output.name!r} is asked for twice", field=output.name)
        _check_output(output.name, output.parameters or {})
        by_name[output.name] = output.parameters or {}
    return Wanted(binary, strict, by_name)


class InferWriter:
    """Writes responses of one model."""

    def __init__(self, contract: Contract, name: str, version: str) -> None:
        self._contract = contract
        self._labels = {spec.name: spec.labels for spec in contract.outputs}
        self._head = b'{"model_name":%b,"model_version":%b' % (_encode(name), _encode(version))
        self._heads: Dict[Tuple[str, np.dtype], bytes] = {}

    def write(self, identity: Optional[str], want: Optional[Wanted], response: Response) -> HttpResponse:
        """The response, as wanted.

        Raises:
            ServerError: an output cannot be sent like that.
        """
        columns = self.columns(response)
        head = self._head if identity is None else b'%b,"id":%b' % (self._head, _encode(identity))
        if isinstance(columns, Share) and response.count == 1 and self._contract.batched and want in (None, _RAW):
            found = columns.rows(self._raw_rows if want else self._rows)
            if found:
                return _answer(head, *found[0])
        if want is None:
            outputs = [self._as_json(name, array, strict=False) for name, array in columns.items()]
            return _answer(head, b",".join(outputs))
        return self._as_wanted(head, want, columns)

    def columns(self, response: Response) -> Mapping[str, np.ndarray]:
        """The outputs as arrays."""
        if response.columns is not None:
            return response.columns
        return items.to_columns(response.rows or [], self._contract.outputs)

    def wanted(
        self, want: Wanted, columns: Mapping[str, np.ndarray]
    ) -> Iterator[Tuple[str, np.ndarray, Mapping[str, Any]]]:
        """The outputs that are asked for, with their parameters.

        Raises:
            InvalidInput: one is none of the model's, or has no numbers to classify by.
        """
        for name in want.outputs or columns:
            if name not in columns:
                raise InvalidInput(f"unexpected inference output '{name[:100]}'", field=name)
            array, parameters = columns[name], want.outputs.get(name, {})
            k = parameters.get("classification")
            if k:
                array = classify(name, array, k, self._labels.get(name, ()), batched=self._contract.batched)
            yield name, array, parameters

    def _as_wanted(self, head: bytes, want: Wanted, columns: Mapping[str, np.ndarray]) -> HttpResponse:
        outputs: List[bytes] = []
        chunks: List[Chunk] = []
        for name, array, parameters in self.wanted(want, columns):
            if parameters.get("binary_data", want.binary):
                raw = normal(name, array)
                chunks.append(binary_tensor.write(raw))
                outputs.append(self._as_size(name, raw, len(chunks[-1])))
            else:
                outputs.append(self._as_json(name, array, strict=want.strict))
        return _answer(head, b",".join(outputs), *chunks)

    def _rows(self, columns: Mapping[str, np.ndarray]) -> List[Tuple[bytes]]:
        """The outputs of each row of a run by itself, in JSON; nothing where they are not all numbers, since a text may
        be one that JSON cannot say, and fail alone.
        """
        arrays = _numbers(columns)
        if not arrays:
            return []
        texts = []
        for name, array in arrays.items():
            head = self._heads.get((name, array.dtype)) or self._start(name, array.dtype)
            start = b'%b"shape":%b,"data":' % (head, _encode((1, *array.shape[1:])))
            texts.append([b"%b%b}" % (start, _data(row)) for row in array.reshape(len(array), -1).tolist()])
        return [(b",".join(row),) for row in zip(*texts)]

    def _raw_rows(self, columns: Mapping[str, np.ndarray]) -> List[Tuple[bytes, bytes]]:
        """The same, their sizes in JSON and as raw bytes."""
        arrays = _numbers(columns)
        if not arrays:
            return []
        sizes = [self._as_size(name, array[:1], array[:1].nbytes) for name, array in arrays.items()]
        text = b",".join(sizes)
        return [(text, b"".join([part.tobytes() for part in row])) for row in zip(*arrays.values())]

    def _as_json(self, name: str, array: np.ndarray, *, strict: bool) -> bytes:
        head = self._heads.get((name, array.dtype))
        if head is None:
            array = normal(name, array)
            head = self._start(name, array.dtype)
        flat = array.ravel().tolist()
        kind = array.dtype.kind
        data = items.encode(_texts(name, flat) if kind in "OSU" else flat)
        if kind == "f" and not strict and (b"null" in data if len(data) < _LONG else not np.isfinite(array).all()):
            data = _with_tokens(flat)
        return b'%b"shape":%b,"data":%b}' % (head, _encode(array.shape), data)

    def _as_size(self, name: str, array: np.ndarray, size: int) -> bytes:
        head = self._heads.get((name, array.dtype)) or self._start(name, array.dtype)
        return b'%b"shape":%b,"parameters":{"binary_data_size":%d}}' % (head, _encode(array.shape), size)

    def _start(self, name: str, dtype: np.dtype) -> bytes:
        datatype = "BYTES" if dtype.kind in "OSU" else DATATYPES[dtype]
        head = b'{"name":%b,"datatype":"%b",' % (_encode(name), datatype.encode())
        if len(self._heads) < 256:
            self._heads[name, dtype] = head
        return head


def columns_of_part(part: Any, outputs: Sequence[TensorSpec]) -> Dict[str, np.ndarray]:
    """One part of an answer as outputs with one row."""
    if not isinstance(part, (bytes, bytearray, memoryview)):
        return items.to_columns([part], outputs)
    array = np.empty(1, object)
    array[0] = bytes(part)
    return {outputs[0].name if len(outputs) == 1 else "output": array}


def _answer(head: bytes, outputs: bytes, *raw: Chunk) -> HttpResponse:
    text = b'%b,"outputs":[%b]}' % (head, outputs)
    if not any(raw):
        return HttpResponse(200, text)
    length = (("Inference-Header-Content-Length", str(len(text))),)
    return HttpResponse(200, b"".join([text, *raw]), "application/octet-stream", length)


def _numbers(columns: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The outputs as this protocol has them, if they are all numbers."""
    arrays = {name: normal(name, array) for name, array in columns.items()}
    return arrays if all(array.size and array.dtype.kind in "biuf" for array in arrays.values()) else {}


def _data(row: List[Any]) -> bytes:
    data = _encode(row)
    return _with_tokens(row) if b"null" in data else data


def _with_tokens(flat: List[Any]) -> bytes:
    """With NaN and Infinity, as clients know them."""
    import json

    return json.dumps(flat, separators=(",", ":")).encode()


def _texts(name: str, values: List[Any]) -> List[str]:
    try:
        return [value if value.__class__ is str else binary_tensor.text(value).decode() for value in values]
    except UnicodeDecodeError as error:
        message = f"output {name!r} holds bytes that are not UTF-8; ask for it with binary_data"
        raise InvalidInput(message, field=name) from error


def _check_output(name: str, parameters: Mapping[str, Any]) -> None:
    _flag(parameters, "binary_data", name)
    k = parameters.get("classification", 0)
    if type(k) is not int or k < 0:
        raise InvalidInput(f"output {name!r}: classification must be a number of classes", field=name)
    if "shared_memory_region" in parameters:
        raise InvalidInput(f"output {name!r}: shared memory is not supported", field=name)


def _flag(parameters: Mapping[str, Any], key: str, where: str) -> bool:
    value = parameters.get(key, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{where}: {key} must be true or false", field=key)
    return value
