"""Putting the model together: without a handler, and what the manifest gets wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import complete, load_pipeline
from modelbuild_runtime.signature import Signature, TensorSpec
from runtime.graphs import identity, pipeline


def test_a_model_without_a_handler(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path)

    assert (pipe.wants, pipe.batchable, pipe.contract.batched, pipe.contract.open) == ("columns", True, True, False)
    assert pipe.contract.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert pipe.run({"x": np.array([[1, 2]], np.float32)})["y"].tolist() == [[1, 2]]


def test_declared_labels_are_the_contracts(tmp_path: Path) -> None:
    declared = Signature(outputs=(TensorSpec("y", "FP32", (-1, 2), labels=("a", "b")),))

    assert pipeline(tmp_path, signature=declared).contract.outputs == declared.outputs


@pytest.mark.parametrize(
    ("known", "declared", "result"),
    [
        ((), ("d",), ("d",)),
        (("k",), ("d",), ("k",)),
    ],
)
def test_what_the_engine_knows_comes_first(known: tuple[str], declared: tuple[str], result: tuple[str]) -> None:
    def signature(names: tuple[str, ...]) -> Signature:
        return Signature(tuple(TensorSpec(name, "FP32", (-1,)) for name in names))

    assert complete(signature(known), signature(declared)) == signature(result)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (Manifest(Model("m", "1", "gone.onnx"), Runtime("onnx")), "gone.onnx is not there"),
        (Manifest(Model("m", "1", "m.onnx"), Runtime("abacus")), "no runtime 'abacus' in this server"),
        (
            Manifest(Model("m", "1", "m.onnx"), Runtime("onnx"), handler=Handler("features", style="cobol")),
            "no style of handler called 'cobol'",
        ),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, manifest: Manifest, message: str) -> None:
    identity(tmp_path / "m.onnx")
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler" / "features.py").write_text("")

    with pytest.raises(LoadError, match=message):
        load_pipeline(manifest, tmp_path)
