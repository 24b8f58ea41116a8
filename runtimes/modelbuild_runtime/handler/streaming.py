"""Handlers that answer in parts: their ``predict`` yields."""

from __future__ import annotations

import inspect
from time import monotonic
from typing import Any, Callable, Iterator, List, Mapping, Optional

import numpy as np

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.dataplane.parts import whole
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.handler.annotations import Takes
from modelbuild_runtime.handler.answers import plain
from modelbuild_runtime.handler.entry import Entry
from modelbuild_runtime.metrics.marks import Marks
from modelbuild_runtime.request import Parts
from modelbuild_runtime.signature import TensorSpec

Parameters = Optional[Mapping[str, Any]]
Generate = Callable[[Any, Parameters], Iterator[Any]]
"""From one row's features, and the parameters of the request, to the parts of its answer."""


class StreamingPipeline:
    """One row in, its parts out. Who does not ask for parts gets them as one answer: text and bytes joined, a list of
    anything else.
    """

    guessed = False
    batchable = False
    streams = True

    def __init__(self, start: Entry, features: Callable[[Any, Parameters], Any], generate: Generate) -> None:
        self.wants = start.wants
        self.convert = start.convert
        self.rows = start.rows
        self._enter = start.enter
        self._features = features
        self._generate = generate
        self.marks = Marks()
        outputs = (TensorSpec("output", "BYTES", (-1,)),)
        self.contract = Contract(start.inputs, outputs, start.open, batched=True, record=start.schema, row=start.row)

    def run(self, inputs: Any, parameters: Parameters = None) -> List[Any]:
        features = self._features(self._enter(inputs), parameters)
        self.marks.began = monotonic()
        found = [whole(self._generate(item, parameters)) for item in features]
        self.marks.ended = monotonic()
        return plain(found)

    def stream(self, inputs: List[Any], parameters: Parameters = None) -> Parts:
        (item,) = self._features(self._enter(inputs), parameters)
        self.marks.began = monotonic()
        return Parts(_plain(self._generate(item, parameters)))


def yields(function: Any) -> bool:
    """Whether a function of the handler makes its answer in parts."""
    return inspect.isgeneratorfunction(function)


def check(takes: Takes, start: Entry, *, post: bool) -> None:
    """What goes with a predict that yields.

    Raises:
        LoadError: it takes a batch, or its parts would go through postprocess.
    """
    if post:
        raise LoadError(
            "predict of the handler yields, and there is a postprocess, which takes whole answers",
            "Do in predict what postprocess does.",
        )
    if start.wants != "rows" or not (start.by_row or takes.by_row):
        raise LoadError(
            "predict of the handler yields the answer to one row, and it takes a batch",
            "Annotate what it takes with a record type, or with dict.",
        )


def _plain(parts: Iterator[Any]) -> Iterator[Any]:
    """Parts of JSON's types, text and bytes."""
    for part in parts:
        if isinstance(part, (str, bytes)):
            yield part
        elif isinstance(part, np.ndarray):
            yield part.tolist()
        else:
            yield plain([part])[0]
