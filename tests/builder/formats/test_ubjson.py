from __future__ import annotations

import struct

import pytest

from modelbuild.formats.ubjson import UbjsonError, read_ubjson


def text(value):
    return b"L" + struct.pack(">q", len(value)) + value.encode()


TYPED = b"[$d#L" + struct.pack(">q2f", 2, 0.5, 1.5)
COUNTED = b"[#i\x02S" + text("x") + b"Z"
OPEN = b"[i\xffU\xffI\x01\x00l\x00\x01\x00\x00TFD" + struct.pack(">d", 0.1) + b"]"
DOCUMENT = b"{" + text("a") + TYPED + text("b") + COUNTED + text("c") + b"{" + text("d") + OPEN + b"}}"


def test_every_kind_of_value():
    expected = {"a": [0.5, 1.5], "b": ["x", None], "c": {"d": [-1, 255, 256, 65536, True, False, 0.1]}}
    assert read_ubjson(DOCUMENT, frozenset()) == expected


def test_what_is_not_wanted_is_passed_over():
    assert read_ubjson(DOCUMENT, {"a", "b"}) == {"c": {"d": [-1, 255, 256, 65536, True, False, 0.1]}}
    assert read_ubjson(DOCUMENT, {"c"}) == {"a": [0.5, 1.5], "b": ["x", None]}
    assert read_ubjson(DOCUMENT, {"a", "d"}) == {"b": ["x", None], "c": {}}


@pytest.mark.parametrize("without", [frozenset(), frozenset("abc")])
def test_what_is_cut_off_anywhere(without):
    for end in range(len(DOCUMENT)):
        with pytest.raises(UbjsonError):
            read_ubjson(DOCUMENT[:end], without)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"{" + text("a") + b"?}",
        b"[" * 1000,
        b"[$S#i\x01",
        b"[$di\x01",
        b"[#i\xff",
        b"[$d#L" + struct.pack(">q", 1 << 62),
        b"[$i#L" + struct.pack(">q", 1 << 23) + bytes(1 << 23),
    ],
)
def test_what_is_malformed(data):
    with pytest.raises(UbjsonError):
        read_ubjson(data, frozenset())
