"""Leap frames in MLeap's binary format, as its ``ml.combust.mleap.binary`` classes write it.

Big-endian throughout: the length of the schema and the schema as JSON, the number of rows, and the values row by row.
What may be missing has a byte before it, 1 where it is there. Text and byte strings have their length in four bytes, so
do lists. A tensor is two bytes for 0 (dense) or 1 (sparse), two for its rank, its sizes in four each, the number of its
values and the values, and where it is sparse the number of its indices, each with its length in two bytes before it.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, List, Tuple, Union

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.errors import InvalidInput, NotAcceptable, TooLarge
from modelbuild_runtime.leap_frame import schema
from modelbuild_runtime.leap_frame.frame import (
    BASIC,
    BOOLEAN,
    BYTE,
    BYTE_STRING,
    DOUBLE,
    FLOAT,
    INT,
    LIST,
    LONG,
    MAP,
    SHORT,
    TENSOR,
    Column,
    Frame,
    Kind,
    LeapTensor,
    check_tensor,
)

CODES = {BOOLEAN: "?", BYTE: "b", SHORT: "h", INT: "i", LONG: "q", FLOAT: "f", DOUBLE: "d"}
DENSE, SPARSE = 0, 1

_INT = struct.Struct(">i")
_SIZES = {code: struct.calcsize(f">{code}") for code in CODES.values()}
_TENSOR, _INDEX = 4, 2
"""Values that a tensor and an index of one are counted as beside their own: so much larger are they in memory."""


def read(body: Union[bytes, bytearray], most: int) -> Frame:
    """A frame of at most so many values.

    Raises:
        InvalidInput: it is no such frame.
        TooLarge: it holds more values.
    """
    source = _Source(body, most)
    declared = json_body.read(source.take(source.size("the schema")))
    fields = schema.read(declared)
    rows = source.size("the rows")
    if rows > source.left or (rows and not fields):
        raise InvalidInput(f"the frame says {rows} rows, and ends before")
    source.count(rows * len(fields))
    readers = [_reader(source, name, kind) for name, kind in fields]
    columns: List[List[Any]] = [[] for _ in fields]
    for _ in range(rows):
        for reader, values in zip(readers, columns):
            values.append(reader())
    if source.left:
        raise InvalidInput(f"{source.left} bytes follow the frame")
    return Frame([Column(name, kind, values) for (name, kind), values in zip(fields, columns)], rows)


def write(frame: Frame) -> bytes:
    """The frame's bytes.

    Raises:
        NotAcceptable: a column of maps, for which the format has no form.
    """
    text = json_answer.encode(schema.write([(column.name, column.kind) for column in frame.columns]))
    parts = [struct.pack(">i", len(text)), text, struct.pack(">i", frame.rows)]
    for row in zip(*(column.values for column in frame.columns)):
        for column, value in zip(frame.columns, row):
            _write(parts, column.kind, value)
    return b"".join(parts)


class _Source:
    """The bytes that are still to be read, ``at`` which place, and how many values they may make."""

    __slots__ = ("_most", "_room", "at", "data", "end")

    def __init__(self, body: Union[bytes, bytearray], most: int) -> None:
        self.data = bytes(body)
        self.end = len(self.data)
        self.at = 0
        self._most = self._room = most

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return self.end - self.at

    def count(self, values: int) -> None:
        """So many are made, be they empty."""
        self._room -= values
        if self._room < 0:
            raise TooLarge(f"the frame holds more than {self._most} values; send fewer rows")

    def skip(self, size: int) -> int:
        """Pass so many bytes, and say where they begin."""
        at = self.at
        if size > self.end - at:
            raise InvalidInput("the frame ends early")
        self.at = at + size
        return at

    def take(self, size: int) -> bytes:
        """So many bytes."""
        at = self.skip(size)
        return self.data[at : at + size]

    def size(self, what: str) -> int:
        """A length or number in four bytes."""
        size: int = _INT.unpack_from(self.data, self.skip(4))[0]
        if size < 0:
            raise InvalidInput(f"the size of {what} is negative")
        return size

    def short(self) -> int:
        """A length in two bytes."""
        at = self.skip(2)
        return self.data[at] << 8 | self.data[at + 1]

    def numbers(self, code: str, count: int) -> Tuple[Any, ...]:
        """So many numbers of one kind."""
        return struct.unpack_from(f">{count}{code}", self.data, self.skip(count * _SIZES[code]))

    def values(self, base: str, count: int) -> List[Any]:
        """So many values."""
        if count > self.left:  # each takes one byte at least: nothing is made for what is not there
            raise InvalidInput("the frame ends early")
        self.count(count)
        if base not in CODES:
            return [self.text(base) for _ in range(count)]
        return list(self.numbers(CODES[base], count))

    def text(self, base: str) -> Union[str, bytes]:
        """One string of characters or bytes."""
        data = self.take(self.size("a text"))
        if base == BYTE_STRING:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise InvalidInput("a string of the frame is not UTF-8") from None


def _reader(source: _Source, name: str, kind: Kind) -> Callable[[], Any]:
    """What reads the next value of a column, which was counted as one."""

    def read_list() -> Any:
        return source.values(kind.base, source.size("a list"))

    def read_tensor() -> Any:
        return _tensor(source, name, kind)

    if kind.shape == MAP:
        raise InvalidInput(f"column {name!r}: the binary format has no maps; send JSON", field=name)
    read_one = {BASIC: _basic_reader(source, kind.base), LIST: read_list, TENSOR: read_tensor}[kind.shape]

    def read_nullable() -> Any:
        return read_one() if source.data[source.skip(1)] else None

    return read_nullable if kind.nullable else read_one


def _basic_reader(source: _Source, base: str) -> Callable[[], Any]:
    if base not in CODES:
        return lambda: source.text(base)
    one = struct.Struct(f">{CODES[base]}")
    unpack, size, data = one.unpack_from, one.size, source.data

    def read_number() -> Any:
        return unpack(data, source.skip(size))[0]

    return read_number


def _tensor(source: _Source, name: str, kind: Kind) -> LeapTensor:
    source.count(_TENSOR)
    form, rank = source.short(), source.short()
    if form not in (DENSE, SPARSE):
        raise InvalidInput(f"column {name!r}: a tensor is dense (0) or sparse (1), not {form}", field=name)
    sizes = source.numbers("i", rank)
    values = source.values(kind.base, source.size("a tensor"))
    indices = None
    if form == SPARSE:
        count = source.size("the indices")
        if count != len(values):
            raise InvalidInput(f"column {name!r}: a sparse tensor must have an index for each value", field=name)
        source.count(count * _INDEX)
        indices = [source.values(INT, source.short()) for _ in range(count)]
    return check_tensor(name, LeapTensor(values, sizes, indices), kind)


def _write(parts: List[bytes], kind: Kind, value: Any) -> None:
    if kind.shape == MAP:
        raise NotAcceptable("the binary format has no maps; accept JSON")
    if kind.nullable:
        parts.append(b"\0" if value is None else b"\1")
        if value is None:
            return
    if kind.shape == BASIC:
        _write_values(parts, kind.base, [value])
    elif kind.shape == LIST:
        parts.append(struct.pack(">i", len(value)))
        _write_values(parts, kind.base, value)
    else:
        _write_tensor(parts, kind, value)


def _write_tensor(parts: List[bytes], kind: Kind, tensor: LeapTensor) -> None:
    sizes = tensor.dimensions
    form = DENSE if tensor.indices is None else SPARSE
    parts.append(struct.pack(f">HH{len(sizes)}ii", form, len(sizes), *sizes, len(tensor.values)))
    _write_values(parts, kind.base, tensor.values)
    if tensor.indices is not None:
        parts.append(struct.pack(">i", len(tensor.indices)))
        parts += [struct.pack(f">H{len(index)}i", len(index), *index) for index in tensor.indices]


def _write_values(parts: List[bytes], base: str, values: List[Any]) -> None:
    if base in CODES:
        parts.append(struct.pack(f">{len(values)}{CODES[base]}", *values))
        return
    for value in values:
        data = value if isinstance(value, bytes) else value.encode()
        parts += [struct.pack(">i", len(data)), data]
