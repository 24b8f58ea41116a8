"""Pickles assembled by hand: what no pickler writes and an attacker does."""

from __future__ import annotations

import struct


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def call(function: bytes, *arguments: bytes) -> bytes:
    """REDUCE."""
    return function + b"(" + b"".join(arguments) + b"tR"


def whole(body: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


ESTIMATOR = call(name("sklearn.linear_model._base", "LinearRegression"))


def beside(body: bytes, protocol: int = 4) -> bytes:
    """A pickle that ends as an honest estimator, after the ``body`` did its work."""
    return whole(body + b"0" + ESTIMATOR, protocol)


def wrapper(size: int = 3, *, text_of_dtype: str = "f8", flags: int = 0, item_size: int = -1) -> bytes:
    """joblib's stand-in for an array, up to where the array's bytes follow."""
    dtype = call(name("numpy", "dtype"), text(text_of_dtype), b"\x89", b"\x88")
    state = b"(K\x03" + text("<") + b"NNN" + b"J" + struct.pack("<i", item_size) + b"J\xff\xff\xff\xff"
    state += b"K" + bytes([flags]) + b"t"
    entries = [
        text("subclass") + name("numpy", "ndarray"),
        text("shape") + b"K" + bytes([size]) + b"\x85",
        text("order") + text("C"),
        text("dtype") + dtype + state + b"b",
        text("allow_mmap") + b"\x88",
        text("numpy_array_alignment_bytes") + b"K\x10",
    ]
    return name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}(" + b"".join(entries) + b"ub"
