"""Whether an answer is the expected one, and where it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# Near zero a relative tolerance means nothing: there the absolute one holds, this much smaller.
_ABSOLUTE = 1e-2


def difference(answer: Any, expected: Any, tolerance: float, path: str = "$") -> str:
    """The first difference, "$[0].probabilities[1] is 0.52 instead of 0.25"; empty where there is none.

    Numbers may differ by ``tolerance`` relatively unless both are whole: a class 10001 is not nearly a class 10002.
    """
    if isinstance(expected, Mapping) and isinstance(answer, Mapping):
        return _objects(answer, expected, tolerance, path)
    if _is_list(expected) and _is_list(answer):
        return _lists(answer, expected, tolerance, path)
    if _same(answer, expected, tolerance):
        return ""
    return f"{path} is {_short(answer)} instead of {_short(expected)}"


def _objects(answer: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float, path: str) -> str:
    for name in expected:
        if name not in answer:
            return f"{path} has no {name!r}; it has {_names(answer)}"
    for name in answer:
        if name not in expected:
            return f"{path} has {name!r}, which is not expected"
    for name, value in expected.items():
        found = difference(answer[name], value, tolerance, f"{path}{_member(name)}")
        if found:
            return found
    return ""


def _lists(answer: Sequence[Any], expected: Sequence[Any], tolerance: float, path: str) -> str:
    if len(answer) != len(expected):
        return f"{path} has {len(answer)} elements instead of {len(expected)}"
    for number, (left, right) in enumerate(zip(answer, expected, strict=True)):
        found = difference(left, right, tolerance, f"{path}[{number}]")
        if found:
            return found
    return ""


def _same(answer: Any, expected: Any, tolerance: float) -> bool:
    if not (_is_number(answer) and _is_number(expected)):
        return type(answer) is type(expected) and bool(answer == expected)
    if isinstance(answer, int) and isinstance(expected, int):
        return answer == expected
    if math.isnan(answer) or math.isnan(expected):
        return math.isnan(answer) and math.isnan(expected)
    return math.isclose(answer, expected, rel_tol=tolerance, abs_tol=tolerance * _ABSOLUTE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _member(name: str) -> str:
    return f".{name}" if name.isidentifier() else f"[{name!r}]"


def _names(value: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in value) or "nothing"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
