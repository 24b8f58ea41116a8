"""The outputs of one run, shared among the requests that were joined in it. What encoders make of the rows of one
request costs little more for those of all: so it is made once a run.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

import numpy as np

FEW = 1 << 14
"""Values of a run up to which all of them are worth converting for one who asks."""


class Whole:
    """The arrays of a run, and what was made of them, by who made it."""

    __slots__ = ("arrays", "made")

    def __init__(self, arrays: Dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        self.made: Dict[Any, List[Any]] = {}


class Share(Mapping[str, np.ndarray]):
    """The rows of one request, as arrays by name; and as part of what is made of the whole run."""

    __slots__ = ("_end", "_start", "_whole")

    def __init__(self, whole: Whole, start: int, end: int) -> None:
        self._whole = whole
        self._start = start
        self._end = end

    def __getitem__(self, name: str) -> np.ndarray:
        return self._whole.arrays[name][self._start : self._end]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole.arrays)

    def __len__(self) -> int:
        return len(self._whole.arrays)

    def items(self) -> Any:
        return [(name, array[self._start : self._end]) for name, array in self._whole.arrays.items()]

    def values(self) -> Any:
        return [array[self._start : self._end] for array in self._whole.arrays.values()]

    def rows(self, make: Callable[..., List[Any]], *how: Any) -> List[Any]:
        """The rows of this request, of those that ``make`` makes of the arrays of the run."""
        made = self._whole.made
        key: Tuple[Any, ...] = (make, *how)
        found = made.get(key)
        if found is None:
            found = made[key] = make(self._whole.arrays, *how)
        return found[self._start : self._end]
