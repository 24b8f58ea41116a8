"""A cell of CSV or a field of a form: text, to the value that its datatype makes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import msgspec
import numpy as np

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.tensor import NUMPY

_TRUE = {"true", "1", "yes", "t"}
_FALSE = {"false", "0", "no", "f"}
_BOOLEANS = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
_MISSING = {"", "nan", "na", "null"}
_FIRST = frozenset("0123456789+-.nNiI")
"""What a number may begin with; the letters are those of nan and infinity."""
_EXACT = 1 << 53
"""The whole numbers below are all floating point numbers too."""


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


def any_missing(datatype: str, texts: Sequence[str]) -> bool:
    """Whether one of the cells is ``missing``."""
    if datatype == "BYTES":
        return "" in texts
    return not _MISSING.isdisjoint(map(str.lower, map(str.strip, texts)))


def values(name: str, datatype: str, texts: Sequence[str], *, optional: bool) -> List[Any]:
    """The values of a column, which is converted as a whole where that says the same as cell by cell. None where a cell
    of an ``optional`` column is ``missing``.

    Raises:
        InvalidInput: a text is nothing of the datatype.
    """
    if datatype == "BYTES":
        return [text or None for text in texts] if optional else list(texts)
    kind = NUMPY[datatype].kind
    found = _converted(kind, list(texts))
    if found is None:
        plain = list(map(str.strip, texts))
        lacking = _MISSING if optional else {""}
        given = [text for text in plain if text.lower() not in lacking]
        found = _converted(kind, given)
        if found is not None and len(given) < len(plain):
            rest = iter(found)
            return [None if text.lower() in lacking else next(rest) for text in plain]
    if found is not None:
        return found
    return [None if optional and missing(datatype, text) else value(name, datatype, text) for text in texts]


def _converted(kind: str, texts: List[str]) -> Optional[List[Any]]:
    """All texts by one call; None where one has to be looked at by itself."""
    if kind == "b":
        truths = list(map(_BOOLEANS.get, map(str.lower, texts)))
        return None if None in truths else truths
    if kind != "f":
        with suppress(msgspec.ValidationError):
            return msgspec.convert(texts, List[int], strict=False)
    try:
        found: List[float] = msgspec.convert(texts, List[float], strict=False)
    except msgspec.ValidationError:
        return None
    array = np.array(found)
    if kind == "f":
        for at in np.flatnonzero(array == 0).tolist():
            if texts[at][0] == "-":  # which msgspec forgets where there is no fraction
                found[at] = -0.0
        return None if np.isnan(array).any() else found  # a word for what is missing, perhaps
    whole = (np.abs(array) < _EXACT) & (np.floor(array) == array)  # data frames write 3.0 once one is missing
    whole_numbers: List[int] = array.astype(np.int64).tolist() if whole.all() else []
    return whole_numbers or None


def guess(text: str) -> Any:
    """The value of a cell whose datatype nobody knows: a number if it reads like one."""
    plain = text.strip()
    if not plain or plain[0] not in _FIRST or "_" in plain or not plain.isascii():
        return text
    try:
        return _integer_or_fraction(plain)
    except ValueError:
        return text


def _integer_or_fraction(text: str) -> Union[int, float]:
    """Of text that is not ASCII, or has underscores in it, nothing is expected here."""
    try:
        if "." not in text:
            return int(text)
    except ValueError:  # 1e3, a word, or more digits than Python reads
        pass
    number = float(text)
    return int(number) if number.is_integer() else number


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
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise ValueError(text)
    return found


_READERS: Dict[str, Callable[[str], Union[int, float, bool]]] = {
    "b": _boolean,
    "i": _integer,
    "u": _integer,
    "f": _number,
}
