"""What a record type says against a row, in words that a client understands."""

from __future__ import annotations

import re
from typing import Any, List, Tuple, Union

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.handler.repair import FRAME, shown

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>(?:key in )?[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_MISSING = re.compile(r"^Object missing required field `([^`]+)`$")
_WORDS = {
    "float": "a number",
    "int": "an integer",
    "str": "a string",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "bytes": "base64 text",
    "date": "a date like '2026-11-21'",
    "datetime": "a date and time like '2026-11-21T03:40:00'",
    "time": "a time like '03:40:00'",
}
_ENCODED = re.compile(r"^Invalid RFC3339 encoded (date|datetime|time)$")

MISSING = "the field '{}' is missing"
UNKNOWN = "there is no field '{}'"

Step = Union[int, str]


class Refused(Exception):  # noqa: N818  # turned into an InvalidInput before anybody sees it
    """A row does not fit. ``path`` leads to the value: the row's index first."""

    def __init__(self, what: str, path: Tuple[Step, ...]) -> None:
        super().__init__(what)
        self.what = what
        self.path = path

    def told(self, rows: List[Any]) -> InvalidInput:
        """The error for the client: the row where there are several, the field, what is wrong and the value."""
        row, steps = (self.path[0], self.path[1:]) if self.path else (0, ())
        field = ".".join(str(step) for step in steps)
        where = f"row {row}: " if len(rows) > 1 else ""
        if self.what in {MISSING, UNKNOWN}:
            return InvalidInput(f"{where}{self.what.format(field)}", field=field)
        name = f"{field!r}: " if field else ""
        value = _value(self.what, rows, self.path) if self.what.startswith("expected") and field else ""
        return InvalidInput(f"{where}{name}{self.what}{value}", field=field)


def from_msgspec(error: Exception) -> Refused:
    """Read msgspec's message of {"rows": rows}, which ends in a path like ``$.rows[3].age``."""
    match = _AT.match(str(error))
    what, path = (match.group("what"), match.group("path") or "") if match else (str(error), "")
    steps: Tuple[Step, ...] = tuple(int(i) if i else name for i, name in _STEP.findall(path))[1:]
    missing = _MISSING.match(what)
    if missing:
        return Refused(MISSING, (*steps, missing.group(1)))
    return Refused(_plain(what), steps)


def from_pydantic(error: ValueError, row: int) -> Refused:
    """Read the first of pydantic's errors."""
    first = error.errors()[0]  # type: ignore[attr-defined]
    steps = tuple(first["loc"])
    if first["type"] == "missing":
        return Refused(MISSING, (row, *steps))
    if first["type"] == "extra_forbidden":
        return Refused(UNKNOWN, (row, *steps))
    given = f", got {shown(first['input'])}" if not isinstance(first["input"], dict) else ""
    return Refused(first["msg"][:1].lower() + first["msg"][1:] + given, (row, *steps))


def _plain(what: str) -> str:
    """Msgspec names types as Python does; clients need not know Python, nor the numbers of standards."""
    encoded = _ENCODED.match(what)
    if encoded:
        return f"expected {_WORDS[encoded[1]]}, got"
    if not what.startswith("Expected"):
        return what
    text = re.sub(r"`([^`]+)`", lambda m: " or ".join(_WORDS.get(word, word) for word in m.group(1).split(" | ")), what)
    return text[0].lower() + text[1:]


def _value(what: str, rows: List[Any], path: Tuple[Step, ...]) -> str:
    """The value itself, where it can be found and is short enough to help."""
    value: Any = rows
    try:
        for step in path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return ""
    if isinstance(value, dict) and "0" in value and len(path) == 2:  # as pandas writes a frame where nothing is said
        return f"; {FRAME}"
    return f"{' ' if what.endswith('got') else ': '}{shown(value)}" if isinstance(value, (str, int, float)) else ""
