"""What is large, so that reading or writing it would keep the loop from others."""

from __future__ import annotations

import msgspec

from modelbuild_runtime.request import Response

LARGE = 1 << 18
"""Bytes of a body from which reading it takes longer than handing it over."""
HUGE = 4 << 20
"""Bytes of a body that may take seconds to read: others do not wait for it."""
_MANY = 1 << 14
_MANY_ROWS = 1 << 10


def is_large(response: Response) -> bool:
    """Whether an answer takes long to write."""
    columns = response.columns
    if columns is None:
        return response.count > _MANY_ROWS
    for array in columns.values():  # noqa: SIM110  # faster than any(), and asked for each answer
        if array.size > _MANY:
            return True
    return False


def kept(response: Response) -> Response:
    """A copy that stays as it is while the model runs again, which may use the same memory."""
    columns = {name: array.copy() for name, array in (response.columns or {}).items()}
    return response if response.columns is None else msgspec.structs.replace(response, columns=columns)
