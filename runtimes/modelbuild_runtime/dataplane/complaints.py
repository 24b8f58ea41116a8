"""What is wrong with a request's names and rows, in the words that a client reads."""

from __future__ import annotations

from typing import Iterable

from modelbuild_runtime.errors import InvalidInput


def missing(name: str, names: Iterable[str]) -> InvalidInput:
    """A required input was not sent."""
    return InvalidInput(f"input {name!r} is missing; expected {quoted(names)}", field=name)


def unknown(given: Iterable[str], names: Iterable[str]) -> InvalidInput:
    """An input was sent that the contract does not know."""
    known = set(names)
    name = next(name for name in given if name not in known)
    return InvalidInput(f"input {str(name)!r} is unknown; expected {quoted(names)}", field=str(name))


def no_rows() -> InvalidInput:
    """There is nothing to predict."""
    return InvalidInput("there is no row in the request")


def quoted(names: Iterable[str]) -> str:
    """The first of many names."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:20])
    return text + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")
