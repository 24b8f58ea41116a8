"""Parts of an answer, before the whole is there."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..utils.util import PredictionException  # noqa: TID252  # ts may be another's


def send_intermediate_predict_response(
    ret: Sequence[Any],
    req_id_map: Mapping[int, str],
    message: str,
    code: int,
    context: Any,
) -> None:
    """One more part of the answer to each request: ``ret`` has an entry for each index of ``req_id_map``."""
    if code != 200:
        raise PredictionException(message, code)
    context.give({index: ret[index] for index in req_id_map})
