"""The outputs of one run, shared among the requests that were joined in it. What encoders make of the rows of one
request costs little more for those of all: so it is made once a run.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Tuple

import msgspec
import numpy as np

FEW = 1 << 14
"""Values of a run up to which all of them are worth converting for one who asks."""


class Whole:
    """The arrays of a run, and what was made of them, by who made it."""

    __slots__ = ("arrays", "made")

    def __init__(self, arrays: Dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        self.made: Dict[Any, List[Any]] = {}


class Share(msgspec.Struct, eq=False):
    """The rows of one request, as a mapping of arrays by name; and as part of what is made of the whole run."""

    whole: Whole
    start: int
    end: int

    def __getitem__(self, name: str) -> np.ndarray:
        return self.whole.arrays[name][self.start : self.end]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole.arrays)

    def __len__(self) -> int:
        return len(self.whole.arrays)

    def keys(self) -> Any:
        return self.whole.arrays.keys()

    def items(self) -> Any:
        return [(name, array[self.start : self.end]) for name, array in self.whole.arrays.items()]

    def values(self) -> Any:
        return [array[self.start : self.end] for array in self.whole.arrays.values()]

    def rows(self, make: Callable[..., List[Any]], *how: Any) -> List[Any]:
        """The rows of this request, of those that ``make`` makes of the arrays of the run."""
        made = self.whole.made
        key: Tuple[Any, ...] = (make, *how)
        found = made.get(key)
        if found is None:
            found = made[key] = make(self.whole.arrays, *how)
        return found[self.start : self.end]
