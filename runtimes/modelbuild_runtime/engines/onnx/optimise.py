"""An ONNX graph as onnxruntime would make it over at each start. Runs while an image is built, never in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping

import onnxruntime

from modelbuild_runtime.optimising.candidate import Candidate


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One: what onnxruntime does to graphs on every processor alike."""
    yield Candidate("the optimised graph", partial(make, path, dict(options)))


def make(source: Path, options: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Write the graph with its constants folded and its nodes fused, but not laid out for this machine's processor."""
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    settings.optimized_model_filepath = str(path)
    settings.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), settings, providers=["CPUExecutionProvider"])
    return options
