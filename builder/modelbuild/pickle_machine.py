"""Runs a pickle's opcodes on symbols: nothing is imported, called or built, and what would be is written down.

A pickle is a program for a small stack machine. This machine has the same stack, marks and memo, but where the real
one would import a name it puts down a ``Global``, and where it would call something, a ``Made``. So it knows every
name that would be imported, how it would be used, and, as a by-product, what the finished object would look like.
Arrays that joblib writes between the opcodes are stepped over exactly as joblib would.
"""

from __future__ import annotations

import _compat_pickle
import codecs
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, BinaryIO

KEPT = 1 << 12
"""Bytes of a string or an array that are kept; of longer ones only the size is known."""
MAX_LINE = 1 << 24
MAX_STACK = 1 << 22
MAX_NESTING = 8
MAX_NAMES = 5000
MAX_ODDITIES = 100
MAX_RANK = 64
PIECE = 1 << 20
PLAIN_KEYS = (str, bytes, int, float, type(None))


class PickleError(ValueError):
    """The bytes are no pickle, or not a whole one."""


@dataclass(slots=True, eq=False)
class Global:
    """A name that would be imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Made:
    """What a call would return: ``by(*arguments)``, then given its state."""

    by: object
    arguments: object = ()
    state: object = None
    items: list[object] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Blob:
    """A long string of bytes or text, of which only the beginning is kept."""

    size: int
    head: bytes


@dataclass(slots=True, eq=False)
class Array:
    """An array that joblib wrote. ``values`` is the object array's own symbol, or the bytes of a small one."""

    shape: tuple[int, ...]
    dtype: str
    values: object = None


@dataclass(slots=True)
class Use:
    """Where a name was first referred to, and whether loading calls it."""

    offset: int
    called: bool = False


@dataclass(slots=True)
class Trace:
    """What a run has seen, nested pickles included. ``noted`` holds the values of the keys watched for."""

    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    oddities: list[tuple[int, str]] = field(default_factory=list)
    noted: dict[str, list[object]] = field(default_factory=dict)
    nested: list[tuple[int, bytes]] = field(default_factory=list)
    protocol: int = 0
    arrays: int = 0


_IMPORTERS = ("numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct")
"""Functions that import a name: their arguments count as the name's."""


class Machine:
    """One run over one pickle in a stream."""

    def __init__(
        self,
        stream: BinaryIO,
        trace: Trace,
        *,
        watch: Collection[str] = (),
        budget: int = 1 << 62,
        depth: int = 0,
    ) -> None:
        self.stream = stream
        self.trace = trace
        self.watch = watch
        self.budget = budget
        self.depth = depth
        self.protocol = 0
        self.frame_end = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[object, Any] = {}

    def run(self) -> object:
        """The symbol of the object that the pickle stands for.

        Raises:
            PickleError: it is cut off or malformed, or takes more steps than it may.
        """
        read = self.stream.read
        steps = 0
        try:
            while True:
                code = read(1)
                steps += 1
                if not steps & 0xFFFF:
                    self._check_limits(steps)
                push = PUSH.get(code)
                if push is not None:
                    value = push(self)  # It may change which stack is on top.
                    self.stack.append(value)
                elif code == b".":
                    self._check_frame(self.depth > 0)
                    return self.stack.pop()
                else:
                    self._act(code)
        except PickleError:
            raise
        except (IndexError, KeyError, ValueError, TypeError, struct.error, OverflowError) as error:
            raise PickleError(f"it is malformed at byte {self.offset}") from error

    @property
    def offset(self) -> int:
        """Bytes read so far, after decompression."""
        return self.stream.tell()

    def _check_limits(self, steps: int) -> None:
        if steps > self.budget or len(self.stack) > MAX_STACK or len(self.marks) > MAX_STACK:
            raise PickleError("it takes far more steps or memory to load than its size explains")

    def frame(self) -> None:
        """A stretch that the real machine reads in one go."""
        size = self.number("<Q")
        self.frame_end = self.offset + size

    def _check_frame(self, must_end: bool) -> None:
        """Whoever reads from the file itself goes on after the frame. Opcodes left in it would run unseen."""
        if must_end and self.offset < self.frame_end:
            raise PickleError(f"a frame goes on behind byte {self.offset}, where it has to end")

    def _act(self, code: bytes) -> None:
        action = ACT.get(code)
        if action is None:
            if not code:
                raise PickleError("it ends too early")
            raise PickleError(f"byte {self.offset - 1} ({code.hex()}) is no pickle opcode")
        action(self)

    # Reading the arguments of opcodes.

    def take(self, count: int) -> bytes:
        """Exactly so many bytes."""
        data = self.stream.read(count)
        if len(data) != count:
            raise PickleError("it ends too early")
        return data

    def skip(self, count: int) -> None:
        """Step over so many bytes."""
        while count > 0:
            count -= len(self.take(min(count, PIECE)))

    def sized(self, width: int, *, is_text: bool) -> object:
        """A string that is preceded by its length."""
        count = int.from_bytes(self.take(width), "little")
        if count > KEPT:
            head = self.take(KEPT)
            self.skip(count - KEPT)
            return Blob(count, head)
        data = self.take(count)
        if not is_text:
            self._note_nested(data)
        return data.decode("utf-8", "surrogatepass") if is_text else data

    def _note_nested(self, data: bytes) -> None:
        """Bytes that look like a pickle of their own may be loaded by whoever gets them."""
        if len(data) > 3 and data[0] == 0x80 and data[1] <= 5 and data.rstrip(b"\0").endswith(b"."):
            self.trace.nested.append((self.offset - len(data), data))

    def line(self, encoding: str = "utf-8") -> str:
        """Text up to the end of the line."""
        data = self.stream.readline(MAX_LINE)
        if not data.endswith(b"\n"):
            raise PickleError("it ends too early")
        return data[:-1].decode(encoding)

    def number(self, layout: str) -> Any:
        """A number in ``struct``'s layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def long(self, width: int) -> object:
        """An integer of any size."""
        count = int.from_bytes(self.take(width), "little")
        if count > KEPT:
            self.skip(count)
            return Blob(count, b"")
        return int.from_bytes(self.take(count), "little", signed=True)

    # Names.

    def refer(self, module: object, name: object) -> object:
        """The symbol of a name to import."""
        if not isinstance(module, str) or not isinstance(name, str):
            self.odd("a name that is computed while loading")
            return Made(Global("", ""))
        if self.protocol < 3:
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        if (module, name) not in self.trace.uses:
            if len(self.trace.uses) >= MAX_NAMES:
                raise PickleError(f"it refers to more than {MAX_NAMES} names")
            self.trace.uses[module, name] = Use(self.offset)
        return Global(module, name)

    def odd(self, what: str) -> None:
        """Write down what no model needs."""
        if len(self.trace.oddities) < MAX_ODDITIES:
            self.trace.oddities.append((self.offset, what))

    def call(self, function: object, arguments: object) -> object:
        """The symbol of what a call would return."""
        if isinstance(function, Global):
            attribute = _text_method(function, arguments)
            if attribute:
                return Global("builtins", attribute)
            if str(function) in _IMPORTERS and isinstance(arguments, tuple) and len(arguments) == 2:
                return self.refer(*arguments)
            self.trace.uses.setdefault((function.module, function.name), Use(self.offset)).called = True
        else:
            self.odd("a call of something that is made while loading")
        return Made(function, arguments)

    def persistent(self, _identity: object) -> object:
        """A reference to an object outside of the pickle."""
        self.odd("an object from outside of the file")
        return Made(Global("", ""))

    def extension(self, width: int) -> object:
        """A name by its number in the process's extension registry."""
        self.odd(f"the registered extension {int.from_bytes(self.take(width), 'little')}")
        return Made(Global("", ""))

    # Containers.

    def to_mark(self) -> list[Any]:
        """What has been put down since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def mark(self) -> None:
        """Begin a new list of items."""
        self.marks.append(self.stack)
        self.stack = []

    def extend(self, items: list[Any]) -> None:
        """Put items into the list or set on the stack."""
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Made):
            target.items.extend(items)
        elif isinstance(target, Global):
            self.odd(f"a change of {target}")
        else:
            raise PickleError(f"it is malformed at byte {self.offset}")

    def set_items(self, items: list[Any]) -> None:
        """Put pairs into the mapping on the stack."""
        target = self.stack[-1]
        pairs = list(zip(items[::2], items[1::2], strict=True))
        if isinstance(target, dict):
            self._fill(target, pairs)
        elif isinstance(target, Made):
            target.items.extend(pairs)
        elif isinstance(target, Global):
            self.odd(f"a change of {target}")
        else:
            raise PickleError(f"it is malformed at byte {self.offset}")

    def mapping(self, items: list[Any]) -> dict[object, object]:
        """A dictionary of pairs."""
        return self._fill({}, list(zip(items[::2], items[1::2], strict=True)))

    def _fill(self, target: dict[object, object], pairs: list[tuple[Any, Any]]) -> dict[object, object]:
        for key, value in pairs:
            if isinstance(key, str) and key in self.watch:
                self.trace.noted.setdefault(key, []).append(value)
            # Hashing a tuple that is nested a million deep would end the process.
            target[key if isinstance(key, PLAIN_KEYS) else id(key)] = value
        return target

    def build(self) -> None:
        """Give the object on the stack its state."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Made):
            target.state = state
            if is_array_wrapper(target):
                self.stack[-1] = self._array(target)
        elif isinstance(target, Global):
            self.odd(f"a change of {target}")

    # Arrays between the opcodes.

    def _array(self, wrapper: Made) -> Array:
        self._check_frame(must_end=True)
        shape, dtype, padded = _wrapped(wrapper)
        self.trace.arrays += 1
        if dtype == "O":
            if self.depth >= MAX_NESTING:
                raise PickleError("its arrays are nested too deeply")
            inner = Machine(self.stream, self.trace, watch=self.watch, budget=self.budget, depth=self.depth + 1)
            return Array(shape, dtype, inner.run())
        if padded:
            self.skip(self.take(1)[0])
        count = int(dtype[1:])
        for size in shape:
            count *= size
        if count <= KEPT:
            return Array(shape, dtype, self.take(count))
        self.skip(count)
        return Array(shape, dtype)


def _text_method(function: Global, arguments: object) -> str:
    """``getattr(str, "split")`` is how a method of text is pickled."""
    match arguments:
        case (Global(module="builtins", name="str"), str(name)) if str(function) == "builtins.getattr":
            return f"str.{name}" if not name.startswith("_") else ""
    return ""


ARRAY_WRAPPERS = ("NumpyArrayWrapper", "NDArrayWrapper", "ZNDArrayWrapper")
_BY_ARGUMENT = ("copyreg._reconstructor", "copyreg.__newobj__", "copyreg.__newobj_ex__")


def class_of(symbol: object) -> Global:
    """The class that a made object would be an instance of, as far as can be told."""
    match symbol:
        case Made(by=Global() as by, arguments=(Global() as cls, *_)) if str(by) in _BY_ARGUMENT:
            return cls
        case Made(by=Global() as by):
            return by
    return Global("", "")


def is_array_wrapper(symbol: Made) -> bool:
    """Whether joblib would go on reading an array here."""
    cls = class_of(symbol)
    return cls.name in ARRAY_WRAPPERS and "joblib" in cls.module.split(".")


def _wrapped(wrapper: Made) -> tuple[tuple[int, ...], str, bool]:
    """Shape, datatype and whether padding precedes the bytes. Strict: where joblib and this machine disagreed
    about a length, opcodes could hide in what is taken for numbers.
    """
    match wrapper.state:
        case {"shape": tuple(shape), "dtype": Made() as dtype, **rest}:
            kind = datatype(dtype)
            if kind and len(shape) <= MAX_RANK and all(type(size) is int and size >= 0 for size in shape):
                return shape, kind, rest.get("numpy_array_alignment_bytes") is not None
    if class_of(wrapper).name != "NumpyArrayWrapper":
        raise PickleError("its arrays are in files of their own, as joblib before 0.10 wrote them")
    raise PickleError("one of its arrays has a shape or a datatype that cannot be understood")


def datatype(dtype: Made) -> str:
    """Kind and bytes of an item: "f8", "U40"; "O" where items are objects; empty where numpy writes no such thing."""
    match dtype:
        case Made(
            by=Global(module="numpy", name="dtype"),
            arguments=(str(text), *_),
            state=(int(), _, _, _, _, int(size), int(), int(flags), *_),
        ) if text:
            if text[0] == "O" or flags & _HAS_OBJECTS:
                return "O"
            if text[0] in "biufcSUVMm" and text[1:].isdecimal() and len(text) < 12:
                item = int(text[1:]) * (4 if text[0] == "U" else 1)
                return f"{text[0]}{item}" if size in {-1, item} else ""
    return ""


_HAS_OBJECTS = 1


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
