"""CatBoost's trees as a graph, which CatBoost writes itself. Runs while an image is built, never in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping

import onnx

from modelbuild_runtime.optimising.candidate import Candidate, columns_of_numbers, side_by_side, stand_in


def candidates(engine: Any, path: Path, options: Mapping[str, Any]) -> Iterator[Candidate]:  # noqa: ARG001
    """One: CatBoost computes with 32-bit floats, as the graph does."""
    yield Candidate("ONNX", partial(make, engine))


def make(engine: Any, path: Path) -> Mapping[str, Any]:
    """Write the graph.

    Raises:
        CannotConvert: the model has categories or texts.
    """
    signature = engine.signature()
    names, _ = columns_of_numbers(signature.inputs)
    engine.model.save_model(str(path), format="onnx")
    model = onnx.load(path)
    _give_arrays(model.graph)
    onnx.save(model, path)
    outputs = [output.name for output in model.graph.output]
    feed = side_by_side(model.graph.input[0].name, names, "FP32")
    return stand_in([feed], [spec.name for spec in signature.outputs], outputs)


def _give_arrays(graph: Any) -> None:
    """Probabilities as an array instead of a map a row."""
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        output = next(item for item in graph.output if item.name == node.output[0])
        output.CopyFrom(onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, None))
        graph.node.remove(node)
