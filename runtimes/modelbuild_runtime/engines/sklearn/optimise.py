"""scikit-learn's estimators as graphs, by skl2onnx. Runs while an image is built, never in it."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping

import numpy as np
import onnx
import skl2onnx
from skl2onnx.common import data_types
from skl2onnx.sklapi import CastTransformer

from modelbuild_runtime.engines.sklearn import estimator
from modelbuild_runtime.engines.sklearn.columns import NUMERIC
from modelbuild_runtime.engines.sklearn.inputs import ARRAY, Inputs, inputs_of
from modelbuild_runtime.engines.sklearn.optimise_imputers import converters
from modelbuild_runtime.engines.sklearn.optimise_trees import is_of_trees, let_missing_values_through
from modelbuild_runtime.optimising.candidate import Candidate, CannotConvert, side_by_side, stand_in

FORMS = (
    ("32-bit floats", "FP32", False),
    ("64-bit floats, 32-bit trees", NUMERIC, True),
    ("64-bit floats", NUMERIC, False),
)
"""Narrow ones first: they are quicker. Trees themselves look at 32-bit floats, but what scales a number before they do
must not be narrower than it was: a value that lies on a threshold would go the other way.
"""

_TYPES = {
    "FP32": data_types.FloatTensorType,
    NUMERIC: data_types.DoubleTensorType,
    "INT64": data_types.Int64TensorType,
    "BOOL": data_types.BooleanTensorType,
    "BYTES": data_types.StringTensorType,
}
_OF_TEXT = ("TfidfVectorizer", "CountVectorizer")


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One graph for each way of computing with numbers."""
    model = estimator.unwrap(engine.model)
    narrowing = hasattr(model, "steps") and is_of_trees(_last(model))
    for name, datatype, narrowed in FORMS:
        if narrowing or not narrowed:
            yield Candidate(f"ONNX, {name}", partial(make, engine, datatype, narrowed))


def make(engine: Any, datatype: str, narrowed: bool, path: Path) -> Mapping[str, Any]:
    """Write the graph whose numbers are of a datatype, and ``narrowed`` before the last step.

    Raises:
        CannotConvert: the model takes what a graph cannot.
    """
    model = estimator.unwrap(engine.model)
    signature = engine.signature()
    feeds = _feeds(inputs_of(model), signature.inputs, datatype)
    types = [(feed["name"], _TYPES[feed["datatype"]]([None, _width(feed, signature.inputs)])) for feed in feeds]
    made = _narrowed(model) if narrowed else model
    ours = converters(made, wide=datatype == NUMERIC)
    graph = skl2onnx.convert_sklearn(made, initial_types=types, options=_options(made), **ours)
    let_missing_values_through(graph, _last(model))
    onnx.save(graph, path)
    return stand_in(feeds, [spec.name for spec in signature.outputs], [output.name for output in graph.graph.output])


def _last(model: Any) -> Any:
    return estimator.unwrap(model.steps[-1][1]) if hasattr(model, "steps") else model


def _narrowed(model: Any) -> Any:
    """The same steps, and one before the last that makes 32-bit floats of numbers."""
    made = copy.copy(model)
    made.steps = [*model.steps[:-1], ("narrow", CastTransformer(dtype=np.float32)), model.steps[-1]]
    return made


def _feeds(inputs: Inputs, specs: Any, datatype: str) -> List[Dict[str, Any]]:
    """An array of all numbers, or for a frame one array a column, as transformers pick them."""
    if inputs.kind in {"array", "matrix"}:
        return [side_by_side(ARRAY, [spec.name for spec in specs], datatype)]
    if inputs.kind == "text":
        return [side_by_side(ARRAY, [ARRAY], "BYTES")]
    if inputs.kind != "frame":
        raise CannotConvert("its columns have no names, and are of different kinds")
    return [
        side_by_side(spec.name, [spec.name], datatype if spec.datatype == NUMERIC else spec.datatype) for spec in specs
    ]


def _width(feed: Mapping[str, Any], specs: Any) -> int:
    """How many columns an input of the graph has."""
    shapes = {spec.name: spec.shape for spec in specs}
    return sum(shapes[name][1] if len(shapes[name]) > 1 else 1 for name in feed["inputs"])


def _options(model: Any) -> Dict[Any, Any]:
    """Probabilities as an array, and texts in small letters by the rules of the C locale, which every image has."""
    options: Dict[Any, Any] = {}
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        options[id(model)] = {"zipmap": False}
    for part in estimator.parts(model):
        if type(part).__name__ in _OF_TEXT:
            options[id(part)] = {"locale": "C"}
    return options
