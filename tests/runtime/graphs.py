"""Tiny ONNX graphs, and pipelines of a handler around one."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.signature import Signature

_numbers = itertools.count()


def tensor(name: str, kind: int = TensorProto.FLOAT, *shape: Any) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def save(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: Sequence[Any] = (), **model: Any
) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8, **model), path)
    return path


def identity(path: Path, *shape: Any, kind: int = TensorProto.FLOAT) -> Path:
    """Answers ``x`` as ``y``."""
    sizes = shape or ("n", 2)
    return save(
        path, [helper.make_node("Identity", ["x"], ["y"])], [tensor("x", kind, *sizes)], [tensor("y", kind, *sizes)]
    )


def two_inputs(path: Path) -> Path:
    """Answers the sum of ``a`` and ``b`` as ``total``, one column each."""
    return save(
        path,
        [helper.make_node("Add", ["a", "b"], ["total"])],
        [tensor("a", TensorProto.FLOAT, "n", 1), tensor("b", TensorProto.FLOAT, "n", 1)],
        [tensor("total", TensorProto.FLOAT, "n", 1)],
    )


def pipeline(
    folder: Path,
    source: str = "",
    *,
    style: str = "functions",
    model: Any = identity,
    files: Mapping[str, str] = {},
    signature: Signature = Signature(),  # noqa: B008
    options: Mapping[str, Any] = {},
    runtime: str = "onnx",
) -> Any:
    """A pipeline of a graph and a handler's source; each handler is a module of its own name."""
    name = f"handler_under_test_{next(_numbers)}"
    (folder / "handler").mkdir(exist_ok=True)
    (folder / "model").mkdir(exist_ok=True)
    for path, text in {f"{name}.py": source, **files}.items():
        (folder / "handler" / path).write_text(textwrap.dedent(text))
    if model is not None:
        model(folder / "model" / "model.onnx")
    manifest = Manifest(
        Model("fraud", "7", "model/model.onnx"),
        Runtime(runtime, options=dict(options)),
        signature,
        Handler(name, style=style) if source else None,
    )
    return load_pipeline(manifest, folder)
