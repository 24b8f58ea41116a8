"""Kinds of model, each served by a process of its own: what a client is told of them differs."""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A model's inputs, which the echo runtime answers, and the source of a handler around it."""

    inputs: list[dict[str, Any]]
    handler: str = ""


RECORDS = '''
import datetime
import enum
from dataclasses import dataclass
from typing import Annotated, Dict, List, Literal, Optional

import numpy
from msgspec import Meta


class Region(enum.Enum):
    NORTH = "north"
    SOUTH = "south"


@dataclass
class Applicant:
    """Who asks for a loan."""

    age: Annotated[int, Meta(ge=18, le=120, description="in years", examples=[40])]
    income: Annotated[float, Meta(ge=0, examples=[52000.0])]
    job: Literal["cook", "judge", "none"]
    region: Region = Region.NORTH
    since: Optional[datetime.date] = None
    children: Annotated[List[int], Meta(max_length=5)] = ()


@dataclass
class Decision:
    score: float
    accepted: bool


def preprocess(applicant: Applicant) -> Dict[str, numpy.ndarray]:
    return {"x": numpy.array([applicant.age, applicant.income], numpy.float64)}


def postprocess(outputs: Dict[str, numpy.ndarray]) -> List[Decision]:
    return [Decision(float(row[0]), bool(row[1] > 1)) for row in outputs["x"]]


def explain(model, inputs: Dict[str, numpy.ndarray]) -> List[Dict[str, float]]:
    return [{"age": float(row[0]), "income": float(row[1])} for row in inputs["x"]]
'''

OPEN = """
import numpy


def preprocess(inputs):
    rows = max(len(array) for array in inputs.values()) if inputs else 0
    return {"x": numpy.zeros((rows, 4), numpy.float32)}
"""

FRAME = """
import pandas


def predict(model, inputs: pandas.DataFrame):
    return [{"columns": len(inputs.columns)} for _ in range(len(inputs))]
"""

RAW = """# torchserve
def handle(data, context):
    if data is None:
        return None
    return [{"size": len(str(row))} for row in data]
"""

STREAM = """
from dataclasses import dataclass


@dataclass
class Prompt:
    text: str
    count: int = 1


def predict(model, prompt: Prompt):
    for at in range(min(max(prompt.count, 1), 3)):
        yield f"{at} "
"""


def numbers(*shape: int, datatype: str = "FP32", name: str = "x") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


KINDS = {
    "vectors": Kind([numbers(-1, 4)]),
    "columns": Kind(
        [
            numbers(-1, datatype="INT64", name="age"),
            numbers(-1, datatype="FP64", name="income"),
            numbers(-1, datatype="BYTES", name="job"),
            {**numbers(-1, datatype="BOOL", name="married"), "optional": True},
        ]
    ),
    "records": Kind([numbers(-1, 2, datatype="FP64")], RECORDS),
    "tensors": Kind(
        [
            numbers(-1, -1, datatype="UINT8", name="pixels"),
            numbers(-1, 2, datatype="FP16", name="point"),
            numbers(-1, -1, datatype="BYTES", name="words"),
        ]
    ),
    "bytes": Kind([numbers(-1, datatype="BYTES", name="image")]),
    "whole": Kind([numbers(2, 3, datatype="INT32", name="m")]),
    "open": Kind([numbers(-1, 4)], OPEN),
    "frame": Kind([numbers(-1, 4)], FRAME),
    "raw": Kind([numbers(-1, 4)], RAW),
    "stream": Kind([numbers(-1, 4)], STREAM),
}
