"""What a model answers, told in ways that can be compared whatever words a server puts it in."""

import json
from typing import Any

NEAR = 1e-3


def ways(part: Any, rows: int) -> list[list[float]]:
    """All numbers of one output; where a row has several, also the last of each row, the largest, and where that is."""
    found = _numbers(part)
    if not found or len(found) % rows:
        return []
    width = len(found) // rows
    if width == 1:
        return [found]
    each = [found[start : start + width] for start in range(0, len(found), width)]
    return [found, [row[-1] for row in each], [max(row) for row in each], [row.index(max(row)) for row in each]]


def parts(answer: bytes) -> list[Any]:
    """The outputs in the body of an answer: tensors of v2; predictions by row, by column, or alone."""
    found = json.loads(answer)
    if "outputs" in found:
        return [tensor["data"] for tensor in found["outputs"]]
    found = found["predictions"]
    if isinstance(found, dict):
        return list(found.values())
    if found and isinstance(found[0], dict):
        return [[row[name] for row in found] for name in found[0]]
    return [found]


def agree(answer: bytes, told: list[list[float]], rows: int, all_rows: int) -> bool:
    """Whether an answer to the first ``rows`` says what ``told`` says in one of its ways of ``all_rows``."""
    wanted = [way[: len(way) // all_rows * rows] for way in told]
    given = [way for part in parts(answer) for way in ways(part, rows)]
    return any(_near(one, other) for one in given for other in wanted)


def _numbers(part: Any) -> list[float]:
    """In order; those in texts that are JSON, too."""
    if isinstance(part, str):
        return _numbers(json.loads(part)) if part[:1] in {"[", "{"} else []
    if isinstance(part, dict):
        return [value for item in part.values() for value in _numbers(item)]
    if isinstance(part, list | tuple):
        return [value for item in part for value in _numbers(item)]
    return [float(part)] if isinstance(part, int | float) else []


def _near(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and all(abs(a - b) < NEAR for a, b in zip(one, other, strict=True))
