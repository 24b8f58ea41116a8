"""A cell of CSV or a field of a form: text, to the value that its datatype makes of it."""

from __future__ import annotations

from typing import Any, Callable, Dict, Union

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensor import NUMPY

_TRUE = {"true", "1", "yes", "t"}
_FALSE = {"false", "0", "no", "f"}
_MISSING = {"", "nan", "na", "null"}


def value(name: str, datatype: str, text: str) -> Any:
    """The value; None for a number or boolean that is left empty.

    Raises:
        InvalidInput: the text is nothing of the datatype.
    """
    if datatype == "BYTES":
        return text
    plain = text.strip()
    if not plain:
        return None
    try:
        return _READERS[NUMPY[datatype].kind](plain)
    except ValueError:
        raise InvalidInput(f"input {name!r} is {datatype}, and {plain[:40]!r} is not", field=name) from None


def missing(datatype: str, text: str) -> bool:
    """Whether the cell of a value that may be left out has none: empty, or what data frames write for numbers."""
    return not text if datatype == "BYTES" else text.strip().lower() in _MISSING


def guess(text: str) -> Any:
    """The value of a cell whose datatype nobody knows: a number if it reads like one."""
    try:
        return _integer(text.strip())
    except ValueError:
        pass
    try:
        return _fraction(text.strip())
    except ValueError:
        return text


def _integer(text: str) -> int:
    if "_" in text or not text.isascii():
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        number = float(text)  # data frames write whole numbers as 3.0 once one is missing
        if not number.is_integer():
            raise
        return int(number)


def _fraction(text: str) -> float:
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _number(text: str) -> Union[float, bool]:
    """A truth value stays one: whether it may stand for a number is not known here."""
    try:
        return _fraction(text)
    except ValueError:
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        raise


def _boolean(text: str) -> bool:
    plain = text.lower()
    if plain in _TRUE or plain in _FALSE:
        return plain in _TRUE
    raise ValueError(text)


_READERS: Dict[str, Callable[[str], Union[int, float, bool]]] = {
    "b": _boolean,
    "i": _integer,
    "u": _integer,
    "f": _number,
}
