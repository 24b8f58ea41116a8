"""LightGBM's trees as a graph, by onnxmltools. Runs while an image is built, never in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping

import onnx
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

from modelbuild_runtime.optimising.candidate import Candidate, columns_of_numbers, side_by_side, stand_in


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One, of 32-bit floats: LightGBM compares with 64, and the comparison shows whether that matters."""
    yield Candidate("ONNX, 32-bit floats", partial(make, engine))


def make(engine: Any, path: Path) -> Mapping[str, Any]:
    """Write the graph.

    Raises:
        CannotConvert: the model has categories.
    """
    signature = engine.signature()
    names, width = columns_of_numbers(signature.inputs)
    graph = onnxmltools.convert_lightgbm(
        engine.model, initial_types=[("X", FloatTensorType([None, width]))], zipmap=False
    )
    onnx.save(graph, path)
    outputs = [output.name for output in graph.graph.output]
    return stand_in([side_by_side("X", names, "FP32")], [spec.name for spec in signature.outputs], outputs)
