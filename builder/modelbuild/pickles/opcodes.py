"""The opcodes of every pickle protocol: which put a symbol on the stack, and which change what is there."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelbuild.pickles.symbols import KEPT, Blob, PickleError

if TYPE_CHECKING:
    from modelbuild.pickles.machine import Machine


def _global(machine: Machine) -> object:
    module = machine.line()
    return machine.refer(module, machine.line())


def _stack_global(machine: Machine) -> object:
    name = machine.stack.pop()
    return machine.refer(machine.stack.pop(), name)


def _reduce(machine: Machine) -> object:
    arguments = machine.stack.pop()
    return machine.call(machine.stack.pop(), arguments)


def _newobj_ex(machine: Machine) -> object:
    keywords = machine.stack.pop()
    arguments = machine.stack.pop()
    return machine.call(machine.stack.pop(), (arguments, keywords))


def _instance(machine: Machine) -> object:
    cls = _global(machine)
    return machine.call(cls, tuple(machine.to_mark()))


def _object(machine: Machine) -> object:
    cls, *arguments = machine.to_mark()
    return machine.call(cls, tuple(arguments))


def _integer(machine: Machine) -> object:
    text = machine.line()
    return {"00": False, "01": True}.get(text) if text in {"00", "01"} else _parsed(text)


def _long(machine: Machine) -> object:
    return _parsed(machine.line().rstrip("L"))


def _parsed(text: str) -> int | Blob:
    if len(text) > KEPT:
        return Blob(len(text), b"")
    try:
        return int(text or "0", 0 if text.startswith("0x") else 10)
    except ValueError as error:
        raise PickleError(f"{text[:20]!r} is no number") from error


def _float(machine: Machine) -> float:
    text = machine.line()
    try:
        return float(text)
    except ValueError as error:
        raise PickleError(f"{text[:20]!r} is no number") from error


def _quoted(machine: Machine) -> object:
    text = machine.line("latin-1")
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:
        raise PickleError("a string has no quotes")
    if len(text) > KEPT:
        return Blob(len(text), text[:KEPT].encode("latin-1"))
    return codecs.escape_decode(text[1:-1].encode("latin-1"))[0].decode("latin-1")


def _unicode(machine: Machine) -> object:
    text = machine.line("raw-unicode-escape")
    return text if len(text) <= KEPT else Blob(len(text), text[:KEPT].encode("utf-8", "replace"))


def _short_string(machine: Machine, width: int) -> object:
    value = machine.sized(width, is_text=False)
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _fast_tuple(count: int) -> Callable[[Machine], object]:
    def push(machine: Machine) -> object:
        items = tuple(machine.stack[-count:])
        if len(items) != count:
            raise PickleError(f"it is malformed at byte {machine.offset}")
        del machine.stack[-count:]
        return items

    return push


def _put(machine: Machine, index: int | Blob) -> None:
    machine.memo[index] = machine.stack[-1]


def _protocol(machine: Machine) -> None:
    machine.protocol = machine.take(1)[0]
    machine.trace.protocol = max(machine.trace.protocol, machine.protocol)
    if machine.protocol > 5:
        raise PickleError(f"protocol {machine.protocol} is not known")


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.to_mark()


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    machine.extend([item])


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    machine.set_items([machine.stack.pop(), value])


PUSH: dict[bytes, Callable[[Machine], object]] = {
    b"N": lambda _: None,
    b"\x88": lambda _: True,
    b"\x89": lambda _: False,
    b"K": lambda m: m.take(1)[0],
    b"M": lambda m: m.number("<H"),
    b"J": lambda m: m.number("<i"),
    b"G": lambda m: m.number(">d"),
    b"\x8a": lambda m: m.long(1),
    b"\x8b": lambda m: m.long(4),
    b"I": _integer,
    b"L": _long,
    b"F": _float,
    b"S": _quoted,
    b"V": _unicode,
    b"U": lambda m: _short_string(m, 1),
    b"T": lambda m: _short_string(m, 4),
    b"X": lambda m: m.sized(4, is_text=True),
    b"\x8c": lambda m: m.sized(1, is_text=True),
    b"\x8d": lambda m: m.sized(8, is_text=True),
    b"C": lambda m: m.sized(1, is_text=False),
    b"B": lambda m: m.sized(4, is_text=False),
    b"\x8e": lambda m: m.sized(8, is_text=False),
    b"\x96": lambda m: m.sized(8, is_text=False),
    b"]": lambda _: [],
    b"}": lambda _: {},
    b")": lambda _: (),
    b"\x8f": lambda _: [],
    b"l": lambda m: m.to_mark(),
    b"d": lambda m: m.mapping(m.to_mark()),
    b"t": lambda m: tuple(m.to_mark()),
    b"\x91": lambda m: tuple(m.to_mark()),
    b"\x85": _fast_tuple(1),
    b"\x86": _fast_tuple(2),
    b"\x87": _fast_tuple(3),
    b"2": lambda m: m.stack[-1],
    b"h": lambda m: m.memo[m.take(1)[0]],
    b"j": lambda m: m.memo[m.number("<I")],
    b"g": lambda m: m.memo[_parsed(m.line())],
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"\x81": _reduce,
    b"\x92": _newobj_ex,
    b"i": _instance,
    b"o": _object,
    b"P": lambda m: m.persistent(m.line()),
    b"Q": lambda m: m.persistent(m.stack.pop()),
    b"\x82": lambda m: m.extension(1),
    b"\x83": lambda m: m.extension(2),
    b"\x84": lambda m: m.extension(4),
    b"\x97": lambda m: m.persistent(None),
}
"""Opcodes that put one symbol on the stack."""

ACT: dict[bytes, Callable[[Machine], object]] = {
    b"\x80": _protocol,
    b"\x95": lambda m: m.frame(),
    b"\x98": lambda _: None,
    b"(": lambda m: m.mark(),
    b"0": _pop,
    b"1": lambda m: m.to_mark(),
    b"a": _append,
    b"e": lambda m: m.extend(m.to_mark()),
    b"\x90": lambda m: m.extend(m.to_mark()),
    b"s": _set_item,
    b"u": lambda m: m.set_items(m.to_mark()),
    b"b": lambda m: m.build(),
    b"p": lambda m: _put(m, _parsed(m.line())),
    b"q": lambda m: _put(m, m.take(1)[0]),
    b"r": lambda m: _put(m, m.number("<I")),
    b"\x94": lambda m: _put(m, len(m.memo)),
}
"""Opcodes that change what is there."""
