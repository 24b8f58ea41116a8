"""XGBoost's trees as a graph, by onnxmltools. Runs while an image is built, never in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping

import onnx
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

from modelbuild_runtime.optimising.candidate import Candidate, columns_of_numbers, side_by_side, stand_in


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One: XGBoost computes with 32-bit floats, as the graph does."""
    yield Candidate("ONNX", partial(make, engine, int(options.get("rounds", 0))))


def make(engine: Any, rounds: int, path: Path) -> Mapping[str, Any]:
    """Write the graph of the first ``rounds`` rounds of boosting; 0 for all.

    Raises:
        CannotConvert: the model has categories.
    """
    signature = engine.signature()
    names, width = columns_of_numbers(signature.inputs)
    booster = engine.model[:rounds] if rounds else engine.model
    # The converter takes columns by number, and names only of the form f0.
    booster.feature_names = None
    graph = onnxmltools.convert_xgboost(booster, initial_types=[("X", FloatTensorType([None, width]))])
    onnx.save(graph, path)
    outputs = [output.name for output in graph.graph.output]
    return stand_in([side_by_side("X", names, "FP32")], [spec.name for spec in signature.outputs], outputs)
