"""Runs a pickle's opcodes on symbols: nothing is imported, called or built, and what would be is written down.

A pickle is a program for a small stack machine. This machine has the same stack, marks and memo, but where the real
one would import a name it puts down a ``Global``, and where it would call something, a ``Made``. So it knows every
name that would be imported, how it would be used, and, as a by-product, what the finished object would look like.
Arrays that joblib writes between the opcodes are stepped over exactly as joblib would.
"""

from __future__ import annotations

import _compat_pickle
import struct
from collections.abc import Collection
from typing import Any, BinaryIO

from modelbuild.pickles.opcodes import ACT, PUSH
from modelbuild.pickles.symbols import (
    KEPT,
    Array,
    Blob,
    Global,
    Made,
    PickleError,
    Trace,
    Use,
    is_array_wrapper,
    text_method,
    wrapped,
)

MAX_LINE = 1 << 24
MAX_STACK = 1 << 22
MAX_NESTING = 8
MAX_NAMES = 5000
MAX_ODDITIES = 100
PIECE = 1 << 20
PLAIN_KEYS = (str, bytes, int, float, type(None))

OUTSIDE = "an object from outside of the file"
"""How it is noted that a pickle leaves an object to whoever loads it. PyTorch's files have their tensors so."""

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
            attribute = text_method(function, arguments)
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
        self.odd(OUTSIDE)
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
        shape, dtype, padded = wrapped(wrapper)
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
