"""What the symbols of a scanned pickle show of the finished objects: their classes, attributes and small arrays."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from modelbuild.pickles.symbols import Array, Blob, Global, Made, class_of, datatype

_LAYOUTS = {
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "f4": "f",
    "f8": "d",
    "b1": "?",
}


def class_name(symbol: object) -> str:
    """The full name of the class that a made object would be of; that of a plain value's type otherwise."""
    if isinstance(symbol, Made):
        cls = class_of(symbol)
        return str(cls) if cls.name else ""
    if isinstance(symbol, Array):
        return "numpy.ndarray"
    if isinstance(symbol, Global):
        return f"builtins.type ({symbol})"
    return f"builtins.{type(symbol).__name__}" if not isinstance(symbol, Blob) else "builtins.bytes"


def attributes(symbol: object) -> Mapping[object, object]:
    """The attributes that a made object would be given."""
    state = symbol.state if isinstance(symbol, Made) else None
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):
        state = state[0]  # with __slots__, the other half is theirs
    return state if isinstance(state, dict) else {}


def values(symbol: object) -> tuple[object, ...]:
    """The items of a small one-dimensional array of numbers or plain objects; empty for anything else."""
    if isinstance(symbol, Array):
        if isinstance(symbol.values, bytes) and len(symbol.shape) == 1:
            return _unpacked(symbol.dtype, symbol.values)
        return values(symbol.values) if isinstance(symbol.values, Made) else ()
    match symbol:
        case Made(by=Global(name="_reconstruct"), state=(_, (int(),), Made() as dtype, _, list(items))):
            return tuple(items) if datatype(dtype) == "O" else ()
        case Made(by=Global(name="_reconstruct"), state=(_, (int(),), Made() as dtype, _, data)):
            return _unpacked(datatype(dtype), _bytes(data))
        case Made(by=Global(name="_frombuffer"), arguments=(data, Made() as dtype, (int(),), _)):
            return _unpacked(datatype(dtype), _bytes(data))
    return ()


def _bytes(symbol: object) -> bytes:
    """Bytes as protocol 3 up writes them, or as older ones do: text to be encoded."""
    match symbol:
        case bytes():
            return symbol
        case Made(by=Global(module="_codecs", name="encode"), arguments=(str(text), "latin1" | "latin-1")):
            return text.encode("latin-1", errors="replace")
    return b""


def _unpacked(dtype: str, data: bytes) -> tuple[object, ...]:
    """Little-endian items: the only order that is common."""
    if dtype[:1] == "U" and dtype[1:].isdecimal():
        width = int(dtype[1:])
        return tuple(_text(data[at : at + width]) for at in range(0, len(data), width)) if width else ()
    layout = _LAYOUTS.get(dtype)
    if layout is None or len(data) % struct.calcsize(f"<{layout}"):
        return ()
    return struct.unpack(f"<{len(data) // struct.calcsize(f'<{layout}')}{layout}", data)


def _text(data: bytes) -> str:
    return data.decode("utf-32-le", errors="replace").rstrip("\0")


def parts(symbol: object) -> Iterator[tuple[str, object]]:
    """The named steps or transformers of a composed estimator, one level down."""
    own = attributes(symbol)
    for key in ("steps", "transformers_", "transformers", "transformer_list", "estimators"):
        listed = own.get(key)
        if isinstance(listed, list):
            for item in listed:
                match item:
                    case (str(name), part, *_):
                        yield name, part
            return
