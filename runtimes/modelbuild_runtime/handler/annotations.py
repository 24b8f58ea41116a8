"""What a handler's function takes, as the annotation of its parameter says."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import typing
from typing import Annotated, Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.handler.fields import array_datatype
from modelbuild_runtime.handler.records import RecordType, is_record

KINDS = (
    "a record type (dataclass, TypedDict, msgspec.Struct, pydantic model), list[Record], list[dict], pandas.DataFrame, "
    "dict[str, numpy.ndarray] or numpy.ndarray"
)

_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping)


class Takes(NamedTuple):
    """``kind`` is "record" or "object" (one call a row), "records", "frame", "arrays" or "array" (one call a batch),
    or "" where nothing is said. ``record`` is the type of the rows, where one is declared.
    ``datatype`` and ``shape`` are those of one row of a bare array.
    """

    kind: str = ""
    record: Optional[RecordType] = None
    datatype: str = ""
    shape: Optional[Tuple[int, ...]] = None

    @property
    def by_row(self) -> bool:
        return self.kind in {"record", "object"}


class Parameters(NamedTuple):
    """A function's parameters: how many positional ones it takes, their annotations and that of what it returns."""

    names: Tuple[str, ...]
    hints: Dict[str, Any]
    variadic: bool
    keywords: Tuple[str, ...]

    def takes(self, index: int) -> Takes:
        """What the positional parameter takes; nothing said where there is no such parameter."""
        if index >= len(self.names):
            return Takes()
        return classify(self.hints.get(self.names[index], Any), self.names[index])


def parameters(
    name: str, function: Callable[..., Any], least: int, most: int, *, may_yield: bool = False
) -> Parameters:
    """Read the function ``name`` of the handler.

    Raises:
        LoadError: it is async, or a generator where that may not be, takes too few or too many arguments, or an
            annotation is not importable.
    """
    if not callable(function):
        raise LoadError(f"{name} of the handler is not a function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise LoadError(
            f"{name} of the handler is async, and predictions run outside any event loop",
            f"Write it as a plain `def {name}(...)`.",
        )
    if inspect.isgeneratorfunction(function) and not may_yield:
        raise LoadError(f"{name} of the handler is a generator", "Return the values instead of yielding them.")
    found = inspect.signature(function).parameters.values()
    positional = [p for p in found if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    keywords = tuple(p.name for p in found if p.name == "parameters")
    positional = [p for p in positional if p.name not in keywords]
    required = sum(1 for p in positional if p.default is p.empty)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in found)
    if required > most or (len(positional) < least and not variadic):
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise LoadError(f"{name} of the handler takes {required} arguments; it is called with {wanted}")
    return Parameters(tuple(p.name for p in positional), _hints(function, name), variadic, keywords)


def classify(annotation: Any, name: str) -> Takes:
    """What an annotation asks for.

    Raises:
        LoadError: it is none of the kinds.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in {Any, inspect.Parameter.empty, object}:
        return Takes()
    if origin is Annotated:
        return _declared(classify(arguments[0], name), arguments[1:], name)
    if is_record(annotation):
        return Takes("record", RecordType(annotation))
    if annotation is np.ndarray or origin is np.ndarray:
        return Takes("array", datatype=array_datatype(annotation) or "")
    if is_frame(annotation):
        return Takes("frame")
    if annotation in _LISTS or origin in _LISTS:
        return _list(arguments, annotation, name)
    if annotation in _MAPPINGS or origin in _MAPPINGS:
        return Takes("arrays" if _is_array(arguments[-1:]) else "object")
    raise _unclear(annotation, name)


def is_frame(annotation: Any) -> bool:
    """Whether it is pandas' DataFrame, without importing pandas."""
    return getattr(annotation, "__name__", "") == "DataFrame" and annotation.__module__.startswith("pandas")


def _declared(takes: Takes, metadata: Tuple[Any, ...], name: str) -> Takes:
    """``Annotated[pandas.DataFrame, Record]`` declares columns, ``Annotated[NDArray[numpy.uint8], (28, 28)]`` a row."""
    for item in metadata:
        if is_record(item):
            kind = {"object": "arrays"}.get(takes.kind, takes.kind)
            if kind not in {"frame", "arrays", "records"}:
                raise _unclear(item, name)
            return Takes(kind, RecordType(item))
        if isinstance(item, tuple) and takes.kind == "array":
            return takes._replace(shape=item, datatype=takes.datatype or "FP32")
    return takes


def _list(arguments: Tuple[Any, ...], annotation: Any, name: str) -> Takes:
    item = arguments[0] if arguments else Any
    if is_record(item):
        return Takes("records", RecordType(item))
    if item in {Any, object} or item in _MAPPINGS or typing.get_origin(item) in _MAPPINGS:
        return Takes("records")
    raise _unclear(annotation, name)


def _is_array(arguments: Tuple[Any, ...]) -> bool:
    return any(argument is np.ndarray or typing.get_origin(argument) is np.ndarray for argument in arguments)


def _hints(function: Callable[..., Any], name: str) -> Dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise LoadError(
            f"an annotation of the handler's {name} cannot be read: {error}",
            "Annotations are read at run time: import what they name outside `if TYPE_CHECKING`, and write "
            "Optional[X] for X | None where the image's Python is older than 3.10.",
        ) from error


def _unclear(annotation: Any, name: str) -> LoadError:
    shown = getattr(annotation, "__name__", None) or str(annotation)
    return LoadError(
        f"the handler's parameter {name!r} is annotated {shown}, which does not say what it takes",
        f"Annotate it with {KINDS}.",
    )
