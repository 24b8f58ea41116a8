"""Names, datatypes and shapes, as the image's manifest carries them. The builder has its own copy of these values;
the JSON between them is the seam, and a contract test holds the two together.
"""

from __future__ import annotations

from typing import Tuple

import msgspec


class TensorSpec(msgspec.Struct, frozen=True):
    """One named tensor. Datatype of the Open Inference Protocol v2; -1 in ``shape`` is a dynamic size.

    ``labels`` names the classes along the last axis, or the values that a label can take.
    """

    name: str
    datatype: str
    shape: Tuple[int, ...]
    optional: bool = False
    labels: Tuple[str, ...] = ()


class Signature(msgspec.Struct, frozen=True):
    """What goes into the model and what comes out; ``columns`` where it wants a data frame. Empty means unknown."""

    inputs: Tuple[TensorSpec, ...] = ()
    outputs: Tuple[TensorSpec, ...] = ()
    columns: bool = False
