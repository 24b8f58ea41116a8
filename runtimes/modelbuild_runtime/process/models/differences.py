"""Where two JSON values differ by more than rounding."""

from __future__ import annotations

import math
from typing import Any

TOLERANCE = 1e-4


def differs(got: Any, expected: Any, path: str = "$", tolerance: float = TOLERANCE) -> str:
    """The first difference in words; empty where there is none. Numbers may differ by ``tolerance``."""
    if isinstance(got, dict) and isinstance(expected, dict) and got.keys() == expected.keys():
        pairs = [(f"{path}.{key}", got[key], expected[key]) for key in expected]
    elif isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        pairs = [(f"{path}[{i}]", one, other) for i, (one, other) in enumerate(zip(got, expected))]
    else:
        return "" if _equal(got, expected, tolerance) else f"{path} is {str(got)[:200]}, expected {str(expected)[:200]}"
    found = (differs(one, other, where, tolerance) for where, one, other in pairs)
    return next((text for text in found if text), "")


def _equal(got: Any, expected: Any, tolerance: float) -> bool:
    if _is_number(got) and _is_number(expected):
        both_missing = math.isnan(got) and math.isnan(expected)
        return both_missing or math.isclose(got, expected, rel_tol=tolerance, abs_tol=tolerance)
    return type(got) is type(expected) and bool(got == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
