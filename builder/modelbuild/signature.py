"""The signature of a model: names, datatypes and shapes of what goes in and what comes out.

Datatypes are those of the Open Inference Protocol v2 (KServe "Predict Protocol - Version 2"):
BOOL, UINT8..UINT64, INT8..INT64, FP16, BF16, FP32, FP64, BYTES. Shapes are tuples of sizes, -1 for a dynamic one.
A leading -1 common to every input is the batch dimension.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

DATATYPES = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "BF16",
    "FP32",
    "FP64",
    "BYTES",
)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named tensor. ``labels`` names the classes along the last axis, or the values a label can take."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """What the artifact says of itself. ``columns`` is true where the model wants a data frame of these inputs.

    ``inputs`` or ``outputs`` are empty where the artifact does not say: the server learns them in the image.
    """

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    columns: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON object, the same that the image's manifest carries."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # tuples become lists

    @staticmethod
    def from_json(value: dict[str, Any]) -> Signature:
        """The inverse of ``to_json``."""

        def specs(items: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
            return tuple(
                TensorSpec(i["name"], i["datatype"], tuple(i["shape"]), i["optional"], tuple(i["labels"]))
                for i in items
            )

        return Signature(specs(value["inputs"]), specs(value["outputs"]), value["columns"])
