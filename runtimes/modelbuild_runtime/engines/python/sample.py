"""A tariff in a module: no framework, no file beside it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, Dict, List, Sequence

from modelbuild_runtime.engines import Sample

MODULE = '''\
"""A price by weight, and by zone beyond the first kilogramme: what a parcel costs."""

from dataclasses import dataclass
from typing import Annotated, Dict

import numpy as np


@dataclass
class Parcel:
    weight: float
    zone: int


def load(context):
    return {"first": 4.0, "further": np.array([1.0, 1.5, 3.0])}


def predict(tariff, parcels: Annotated[Dict[str, np.ndarray], Parcel]) -> Dict[str, np.ndarray]:
    further = np.maximum(parcels["weight"] - 1, 0)
    return {"price": tariff["first"] + further * tariff["further"][parcels["zone"] % 3]}
'''
REQUEST = [{"weight": 0.5, "zone": 0}, {"weight": 3.0, "zone": 1}, {"weight": 11.0, "zone": 2}]
EXPECTED = [{"price": 4.0}, {"price": 7.0}, {"price": 34.0}]


def make(folder: Path) -> Sample:
    """Write ``tariff.py``."""
    path = folder / "tariff.py"
    path.write_text(MODULE, encoding="utf-8")
    return Sample(path, REQUEST, EXPECTED, handler=path)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What the module itself answers."""
    import numpy as np

    module = runpy.run_path(str(path))
    parcels = {"weight": np.array([row["weight"] for row in rows], np.float64)}
    parcels["zone"] = np.array([row["zone"] for row in rows], np.int64)
    return [{"price": price} for price in module["predict"](module["load"](None), parcels)["price"].tolist()]
