"""Upgrades an ONNX model whose operator set is too old for onnxruntime, and checks that it still answers the same.

A script of its own: ``prepare.py SOURCE TARGET``. The last line on stderr says why it failed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import version_converter

TARGETS = (13, 9, 7, 0)
"""Operator sets to upgrade to: the first that works. Some operators have no way to the newer ones; 0 is the model as it
is, since onnxruntime runs some that it does not promise to.
"""

DYNAMIC_SIZE = 2
TOLERANCE = 1e-4


class ConversionError(Exception):
    """Why the model cannot be upgraded, for people."""


def main(source: Path, target: Path) -> None:
    """Write the upgraded model.

    Raises:
        ConversionError: there is no way, or only ones after which it answers otherwise.
    """
    model = onnx.load(source)
    feeds = example(model)
    expected = reference(model, feeds)
    reasons = []
    for opset in TARGETS:
        try:
            upgraded = convert(model, opset) if opset else model
            answers = run(upgraded, feeds)
        except Exception as error:  # noqa: BLE001  # the converter and onnxruntime raise a dozen types
            reasons.append(f"{opset or 'as it is'}: {first_line(error)}")
            continue
        difference = compare(expected or [], answers)
        if not difference:
            onnx.save(upgraded, target)
            return
        reasons.append(f"{opset or 'as it is'}: {difference}")
    raise ConversionError("no operator set works (" + "; ".join(reasons) + ")")


def convert(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Upgrade. The converter cannot reckon with sizes that have a name, such as a batch: they are numbers meanwhile."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for shape in shapes(fixed).values():
        for size in shape.dim:
            if size.dim_param:
                size.dim_value = DYNAMIC_SIZE
    upgraded = version_converter.convert_version(fixed, opset)
    before = shapes(model)
    for name, shape in shapes(upgraded).items():
        shape.CopyFrom(before[name])
    del upgraded.graph.value_info[:]  # what was inferred from those numbers
    return upgraded


def shapes(model: onnx.ModelProto) -> dict[str, Any]:
    """The shape of every input and output."""
    return {item.name: item.type.tensor_type.shape for item in (*model.graph.input, *model.graph.output)}


def example(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """An input of small numbers for every tensor that is no weight."""
    weights = {item.name for item in model.graph.initializer}
    generator = np.random.default_rng(0)
    return {item.name: tensor(item, generator) for item in model.graph.input if item.name not in weights}


def tensor(item: onnx.ValueInfoProto, generator: np.random.Generator) -> np.ndarray:
    """Numbers between 0 and 1, or what is nearest to it in the tensor's datatype."""
    kind = item.type.tensor_type
    shape = [size.dim_value or DYNAMIC_SIZE for size in kind.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    values = generator.random(shape)
    if dtype.kind == "O":
        return values.astype(str).astype(object)
    return values.round().astype(dtype) if dtype.kind in "iub" else values.astype(dtype)


def reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[Any] | None:
    """What the original answers, by ONNX's own reference implementation; None where that cannot run it."""
    from onnx.reference import ReferenceEvaluator

    try:
        return list(ReferenceEvaluator(model).run(None, feeds))
    except Exception:  # noqa: BLE001  # it lacks operators, and says so in many ways
        return None


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[Any]:
    """What the upgraded model answers, by the onnxruntime that will serve it."""
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers: list[Any] = session.run(None, feeds)
    return answers


def compare(expected: list[Any], answers: list[Any]) -> str:
    """How the upgraded model's answers differ, "" if they do not."""
    for before, after in zip(expected, answers):
        if not isinstance(before, np.ndarray) or before.dtype.kind not in "fiub":
            continue
        if before.shape != after.shape:
            return f"it answers {list(after.shape)} instead of {list(before.shape)} numbers"
        if not np.allclose(before, after, TOLERANCE, TOLERANCE, equal_nan=True):
            return f"its answers are off by {np.abs(before - after).max():.2g}"
    return ""


def first_line(error: Exception) -> str:
    """The message without a trace."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except ConversionError as error:
        sys.exit(str(error))
