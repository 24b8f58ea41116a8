"""A handler whose contract is a record with a bit of everything; the rent is what can be computed by head."""

import datetime as dt
import enum
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec


class Kind(enum.Enum):
    FLAT = "flat"
    HOUSE = "house"


@dataclass
class Address:
    city: str
    zip: str = "75001"


@dataclass
class Home:
    surface: Annotated[float, msgspec.Meta(gt=0, le=1000, description="Square metres, walls included.")]
    rooms: int
    kind: Kind
    address: Address
    heating: Literal["gas", "electric"] = "gas"
    furnished: bool = False
    floor: int | None = None
    since: dt.date | None = None
    tags: list[str] = field(default_factory=list)
    photo: bytes = b""


def load(context):
    return 20.0


def predict(rate, homes: list[Home]) -> list[dict]:
    return [
        {
            "rent": rate * home.surface + 100 * home.rooms * (home.kind is Kind.HOUSE),
            "city": home.address.city,
            "tags": len(home.tags),
            "photo": len(home.photo),
            "floor": home.floor,
        }
        for home in homes
    ]
