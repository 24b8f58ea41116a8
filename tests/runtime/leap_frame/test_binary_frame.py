from __future__ import annotations

import json
import math
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild_runtime.errors import InvalidInput, NotAcceptable, ServerError, TooLarge
from modelbuild_runtime.leap_frame.binary_frame import read, write
from modelbuild_runtime.leap_frame.frame import BASIC, DOUBLE, INT, LIST, MAP, STRING, TENSOR, Column, Frame, Kind
from runtime.leap_frame.frames import frames, plain

MOST = 1000
FORMED = frames((BASIC, LIST, TENSOR))


def binary(kind: Any, rows: int, data: bytes) -> bytes:
    schema = json.dumps({"fields": [{"name": "x", "type": kind}]}).encode()
    return struct.pack(">i", len(schema)) + schema + struct.pack(">i", rows) + data


@given(FORMED)
def test_a_frame_comes_back_as_it_was(made):
    assert plain(read(write(made), MOST)) == plain(made)


def test_the_layout_is_that_of_java_s_data_streams():
    columns = [
        Column("a", Kind(BASIC, INT), [7, None]),
        Column("b", Kind(LIST, STRING, nullable=False), [["ü"], []]),
    ]
    schema = json.dumps(
        {
            "fields": [
                {"name": "a", "type": "integer"},
                {"name": "b", "type": {"type": "list", "base": "string", "isNullable": False}},
            ]
        },
        separators=(",", ":"),
    ).encode()
    rows = b"\1\0\0\0\7\0\0\0\1\0\0\0\2\xc3\xbc\0\0\0\0\0"
    assert write(Frame(columns, 2)) == struct.pack(">i", len(schema)) + schema + b"\0\0\0\2" + rows


def test_tensors_dense_and_sparse():
    kind = {"type": "tensor", "base": "double", "isNullable": False}
    dense = struct.pack(">HHiii2d", 0, 2, 1, 2, 2, 0.5, math.inf)
    sparse = struct.pack(">HHiii1diHii", 1, 2, 1, 2, 1, 2.5, 1, 2, 0, 1)
    first, second = read(binary(kind, 2, dense + sparse), MOST).columns[0].values
    assert (first.values, first.dimensions, first.indices) == ([0.5, math.inf], (1, 2), None)
    assert (second.values, second.dimensions, second.indices) == ([2.5], (1, 2), [[0, 1]])


def test_maps_have_no_form():
    frame = Frame([Column("m", Kind(MAP, DOUBLE, key=STRING), [{}])], 1)
    with pytest.raises(NotAcceptable):
        write(frame)
    with pytest.raises(InvalidInput, match="no maps"):
        read(binary({"type": "map", "key": "string", "base": "int"}, 0, b""), MOST)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "ends early"),
        (b"\0\0\0", "ends early"),
        (b"\xff\xff\xff\xff", "negative"),
        (b"\x7f\xff\xff\xff{}", "ends early"),
        (b"\0\0\0\2{}\0\0\0\0", "list of fields"),
        (b"\0\0\0\2{x\0\0\0\0", "not JSON"),
        (b"\0\0\0\x0d" + b'{"fields":[]}' + b"\x7f\xff\xff\xff", "says 2147483647 rows"),
        (b"\0\0\0\x0d" + b'{"fields":[]}' + b"\0\0\0\1....", "says 1 rows"),
        (binary("double", 1, b"\1" + b"\0" * 7), "ends early"),
        (binary("double", -1, b""), "negative"),
        (binary("double", 1, b"\0."), "1 bytes follow"),
        (binary("string", 1, b"\1\x7f\xff\xff\xff"), "ends early"),
        (binary("string", 1, b"\1\xff\xff\xff\xff"), "negative"),
        (binary("string", 1, b"\1\0\0\0\1\xff"), "not UTF-8"),
        (binary({"type": "list", "base": "double"}, 1, b"\1\x7f\xff\xff\xff"), "ends early"),
        (binary({"type": "tensor", "base": "double"}, 1, b"\1\0\2\0\0\0\0\0\0"), "dense"),
        (binary({"type": "tensor", "base": "double"}, 1, b"\1\0\0\xff\xff"), "ends early"),
        (binary({"type": "tensor", "base": "byte"}, 1, b"\1\0\0\0\1\xff\xff\xff\xff\0\0\0\0"), "sizes"),
        (binary({"type": "tensor", "base": "byte"}, 1, b"\1\0\0\0\1\0\0\0\2\0\0\0\1."), "has 2 values, not 1"),
        (
            binary({"type": "tensor", "base": "byte"}, 1, b"\1\0\1\0\1\0\0\0\2\0\0\0\0\x7f\xff\xff\xff"),
            "index for each",
        ),
        (binary({"type": "tensor", "base": "byte"}, 1, b"\1\0\1\0\0\0\0\0\1.\0\0\0\1\0\1\0\0\0\0"), "outside"),
    ],
)
def test_bytes_that_are_no_frame(body, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        read(body, MOST)


def test_no_more_values_than_allowed():
    body = binary({"type": "list", "base": "boolean"}, 1, b"\1\0\0\3\xe9" + b"\1" * 1001)
    with pytest.raises(TooLarge, match="more than 1000 values"):
        read(body, 1000)
    assert len(read(body, 1002).columns[0].values[0]) == 1001


@pytest.mark.parametrize(
    ("kind", "cell", "values"),
    [
        ("double", b"\0", 1),
        ({"type": "list", "base": "double"}, b"\1\0\0\0\0", 1),
        ({"type": "tensor", "base": "double"}, b"\1\0\0\0\1\0\0\0\0\0\0\0\0", 5),
        ({"type": "tensor", "base": "double"}, b"\1\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 5),
        (
            {"type": "tensor", "base": "byte"},
            b"\1\0\1\0\1\0\0\0\1\0\0\0\1\7\0\0\0\1\0\1\0\0\0\0",
            5 + 1 + 2 + 1,
        ),
    ],
)
def test_cells_count_as_what_they_take(kind, cell, values):
    """Empty ones, too; a tensor as more than its values."""
    assert read(binary(kind, 1000, cell * 1000), 1000 * values).rows == 1000
    with pytest.raises(TooLarge, match=f"more than {1000 * values - 1} values"):
        read(binary(kind, 1000, cell * 1000), 1000 * values - 1)


def test_text_nested_too_deeply_in_the_schema():
    text = b"[" * 100_000
    with pytest.raises(TooLarge):
        read(struct.pack(">i", len(text)) + text, MOST)


@given(FORMED, st.data())
def test_damaged_frames_are_refused_or_read(made, data):
    body = bytearray(write(made))
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
        body[at] = data.draw(st.integers(0, 255))
    with suppress(ServerError):
        read(bytes(body[: data.draw(st.integers(0, len(body)))]), MOST)
