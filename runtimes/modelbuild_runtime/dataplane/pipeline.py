"""What the dataplane runs, whatever it is made of."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Protocol, Union

import numpy as np

from modelbuild_runtime.contract import Contract

Outputs = Union[Dict[str, np.ndarray], List[Any]]
"""Arrays by name, one leading entry a row; or one JSON-able item a row; or one raw answer an item."""


class Pipeline(Protocol):
    """What the dataplane runs.

    ``wants`` says what ``run`` takes: "columns" (arrays by name), "rows" (a list of what ``convert`` returned) or
    "raw" (a list of ``RawItem``, answered by a list of ``RawAnswer``). ``batchable`` is true where several requests
    may be joined into one ``run``: then row i of the answer belongs to row i of the inputs. It may have a ``key``,
    which takes the rows of one request: only rows of equal keys are joined. ``guessed`` is true where the datatypes of
    the contract are what a model of data frames showed, and nobody declared. ``one_at_a_time`` is true where a run of
    several rows is one run after the other. Where it ``streams``, it has ``stream``,
    which is ``run`` for one row and may return ``Parts``; where it ``explains``, ``explain``, which is ``run`` with an
    explanation a row. ``marks`` tell its stages apart, where it makes them.
    """

    contract: Contract
    wants: str
    batchable: bool

    def convert(self, items: List[Any]) -> List[Any]:
        """Rows as a protocol decoded them (objects, or values in the order of the contract's fields) to records.
        One request at a time, before it is joined with others. Raises ``InvalidInput``, which names the field.
        """
        ...

    def rows(self, columns: Mapping[str, np.ndarray]) -> List[Any]:
        """The same from arrays by name, for protocols that send tensors."""
        ...

    def run(self, inputs: Any, parameters: Optional[Mapping[str, Any]] = None) -> Outputs: ...
