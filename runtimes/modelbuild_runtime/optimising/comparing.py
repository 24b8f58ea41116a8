"""Whether two engines answer the same."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional

import numpy as np

from modelbuild_runtime.engines import Engine
from modelbuild_runtime.errors import InvalidInput

Arrays = Dict[str, np.ndarray]

# As verification does: near zero a relative tolerance means nothing.
_ABSOLUTE = 1e-2


class Outcome(NamedTuple):
    """An answer, or that there is none: refused as the client's mistake, or failed."""

    answer: Optional[Arrays]
    refused: str = ""


class Comparison(NamedTuple):
    """``difference`` says in words where they differ too much, empty where they do not; ``largest`` is the largest
    difference of two numbers, ``undecided`` the rows that have another label, where two classes are as probable.
    """

    difference: str = ""
    largest: float = 0.0
    undecided: int = 0


def asked(engine: Engine, rows: Arrays) -> Outcome:
    """What the engine makes of some rows. Numbers that overflow are no news here."""
    try:
        with np.errstate(all="ignore"):
            found = engine.predict(rows)
            if isinstance(found, list):
                return Outcome(None, "it answers with objects, which are not compared")
            return Outcome({name: np.asarray(array) for name, array in found.items()})
    except InvalidInput as error:
        return Outcome(None, error.message)
    except Exception as error:  # noqa: BLE001  # frameworks raise anything
        return Outcome(None, f"{type(error).__name__}: {error}")


def compare(found: Arrays, expected: Arrays, tolerance: float, *, ties: bool = False) -> Comparison:
    """All outputs: numbers within the tolerance, relatively, everything else equal. With ``ties`` a label may be
    another one where the two classes are equally probable within the tolerance.
    """
    if found.keys() != expected.keys():
        return Comparison(f"it has the outputs {', '.join(found)} instead of {', '.join(expected)}")
    loose = _undecided(found, expected, tolerance) if ties else None
    largest = 0.0
    for name, wanted in expected.items():
        array = found[name]
        if array.dtype != wanted.dtype or array.shape != wanted.shape:
            was = f"{wanted.dtype} {list(wanted.shape)}"
            return Comparison(f"{name} is {array.dtype} {list(array.shape)} instead of {was}")
        differ = _differ(array, wanted, tolerance)
        if wanted.dtype.kind == "f":
            both = np.isfinite(array) & np.isfinite(wanted)
            largest = max(largest, float(np.max(np.abs(array[both] - wanted[both]), initial=0.0)))
        elif loose is not None and name.startswith("label"):
            differ &= ~loose.reshape(-1, *(1,) * (differ.ndim - 1))
        if differ.any():
            place = tuple(int(i) for i in np.argwhere(differ)[0])
            where = "".join(f"[{i}]" for i in place)
            return Comparison(f"{name}{where} is {array[place]} instead of {wanted[place]}", largest)
    count = (
        0 if loose is None else int(sum(bool((found[n] != expected[n])[loose].any()) for n in found if n == "label"))
    )
    return Comparison("", largest, count)


def _differ(array: np.ndarray, wanted: np.ndarray, tolerance: float) -> np.ndarray:
    if wanted.dtype.kind != "f":
        different: np.ndarray = np.asarray(array != wanted)
        return different
    apart: np.ndarray = ~np.isclose(array, wanted, rtol=tolerance, atol=tolerance * _ABSOLUTE, equal_nan=True)
    return apart


def _undecided(found: Arrays, expected: Arrays, tolerance: float) -> Optional[np.ndarray]:
    """Rows whose two best classes are as probable; None where there are no probabilities of one label."""
    wanted = expected.get("probabilities")
    if wanted is None or wanted.ndim != 2 or wanted.shape[1] < 2 or "label" not in found:
        return None
    best = np.sort(wanted, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0] <= tolerance)
