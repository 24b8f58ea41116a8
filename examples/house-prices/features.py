"""House prices: a House is what an agent types in; the pipeline was trained on these columns and those made here."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd

CENTRE = (48.8566, 2.3522)
YEAR = 2026


@dataclass
class House:
    surface: float
    rooms: int
    built: int
    kind: Literal["flat", "house", "loft"]
    latitude: float
    longitude: float
    energy: Literal["A", "B", "C", "D", "E", "F", "G"] | None = None
    garden: bool = False


def preprocess(houses: Annotated[pd.DataFrame, House]) -> pd.DataFrame:
    """Called once for all houses of a batch."""
    north = houses["latitude"] - CENTRE[0]
    east = (houses["longitude"] - CENTRE[1]) * np.cos(np.radians(CENTRE[0]))
    return houses.assign(
        age=YEAR - houses["built"],
        surface_per_room=houses["surface"] / houses["rooms"],
        kilometres_to_centre=np.hypot(north, east) * 111.2,
    )


def postprocess(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model predicts the logarithm of the price; people want thousands."""
    return {"price": np.exp(outputs["prediction"]).round(-3)}
