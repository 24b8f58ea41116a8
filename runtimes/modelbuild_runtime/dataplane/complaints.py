"""What is wrong with a request's names and rows, in the words that a client reads."""

from __future__ import annotations

from typing import Iterable

from modelbuild_runtime.errors import InvalidInput


def missing(name: str, names: Iterable[str], given: Iterable[str] = (), *, where: str = "") -> InvalidInput:
    """A required input was not sent, but perhaps another one in its place. ``where`` begins the message."""
    known = list(names)
    others = [str(other) for other in given if other not in known]
    instead = f", got {quoted(others)}" if others else ""
    return InvalidInput(f"{where}input {name!r} is missing; expected {quoted(known)}{instead}", field=name)


def unknown(given: Iterable[str], names: Iterable[str], *, where: str = "") -> InvalidInput:
    """An input was sent that the contract does not know. ``where`` begins the message."""
    known = set(names)
    name = next(name for name in given if name not in known)
    return InvalidInput(f"{where}input {str(name)!r} is unknown; expected {quoted(names)}", field=str(name))


def no_rows() -> InvalidInput:
    """There is nothing to predict."""
    return InvalidInput("there is no row in the request")


def quoted(names: Iterable[str]) -> str:
    """The first of many names."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:20])
    return text + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")
