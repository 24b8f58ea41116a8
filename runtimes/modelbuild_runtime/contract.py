"""The contract: the signature as promised to clients, raw features included."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import msgspec

from modelbuild_runtime.signature import TensorSpec


class Contract(msgspec.Struct, frozen=True):
    """What a client sends and gets.

    ``inputs`` are the fields of one record seen as columns (leading -1 is the number of rows), or the model's own
    tensors. ``open`` is true where the names are not known (a handler that takes anything). ``batched`` is true where
    the leading axis counts rows. ``record`` is the JSON Schema of one row, empty where rows are not records.
    ``example`` is a row that the model takes, by name, where none can be made up from datatypes. ``parameters`` are
    JSON Schemas of what a request may set beside its rows, by name: empty where nobody says. ``answers`` are those of
    outputs whose values in JSON are none of a datatype. ``row`` is the type that JSON's decoder knows records by which
    are exactly as they should be, None where there is none.
    """

    inputs: Tuple[TensorSpec, ...] = ()
    outputs: Tuple[TensorSpec, ...] = ()
    open: bool = False
    batched: bool = True
    record: Dict[str, Any] = {}
    example: Dict[str, Any] = {}
    parameters: Dict[str, Any] = {}
    answers: Dict[str, Any] = {}
    row: Any = None

    def told(self) -> Dict[str, Any]:
        """The contract as clients are told it: ``row`` means something to this process only."""
        fields = msgspec.structs.asdict(self)
        del fields["row"]
        return fields
