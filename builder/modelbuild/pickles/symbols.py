"""The symbols that stand for what a pickle would make, and what can be told from them without making it."""

from __future__ import annotations

from dataclasses import dataclass, field

KEPT = 1 << 12
"""Bytes of a string or an array that are kept; of longer ones only the size is known."""

MAX_RANK = 64


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


def text_method(function: Global, arguments: object) -> str:
    """The method of text that a call stands for, if any: ``getattr(str, "split")`` is how one is pickled."""
    match arguments:
        case (Global(module="builtins", name="str"), str(name)) if str(function) == "builtins.getattr":
            return f"str.{name}" if not name.startswith("_") else ""
    return ""


def is_array_wrapper(symbol: Made) -> bool:
    """Whether joblib would go on reading an array here."""
    cls = class_of(symbol)
    return cls.name in ARRAY_WRAPPERS and "joblib" in cls.module.split(".")


def wrapped(wrapper: Made) -> tuple[tuple[int, ...], str, bool]:
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
