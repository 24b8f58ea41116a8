"""The natural question: what POST /predict and /invocations are asked, whatever the media type of the body."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Mapping, Optional, Tuple, Union

import msgspec

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.media_type import MediaType
from modelbuild_runtime.request import Columns, Packed, Rows
from modelbuild_runtime.signature import TensorSpec

RECORD = "record"
ROWS = "rows"
INSTANCES = "instances"
INPUTS = "inputs"
FORMS = (RECORD, ROWS, INSTANCES, INPUTS)
"""The shapes of a question: one row, several, {"instances": rows} and {"inputs": {name: column}}."""


class Question(msgspec.Struct, eq=False):
    """A body, read. ``form`` is its shape, which the answer will have too; ``header`` is true for CSV with a header."""

    payload: Union[Columns, Rows, Packed]
    form: str
    parameters: Optional[Mapping[str, Any]] = None
    header: bool = False


class Wire(msgspec.Struct, frozen=True, eq=False):
    """What the answer has to be like: its shape, its media type, and whether CSV starts with a header."""

    form: str
    media: MediaType
    header: bool = False


@lru_cache(maxsize=256)
def wire(form: str, accept: bytes, offers: Tuple[str, ...], header: bool) -> Optional[Wire]:
    """What the answer has to be like; None where none of the offers is accepted."""
    chosen = media_type.choose(accept, offers)
    return None if chosen is None else Wire(form, chosen, header)


def is_open(contract: Contract) -> bool:
    """Whether nothing is known of the inputs."""
    return contract.open or not contract.inputs


def only_input(contract: Contract) -> Optional[TensorSpec]:
    """The input of a contract with just one, whose name may then be left out."""
    return contract.inputs[0] if len(contract.inputs) == 1 and not contract.open else None
