"""Putting the model together: without a handler, and what the manifest gets wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Handler, Manifest, Model, Runtime
from modelbuild_runtime.pipeline import ModelPipeline, WritingPipeline, complete, load_pipeline
from modelbuild_runtime.process.models.warmup import warm_up
from modelbuild_runtime.request import Request, Rows
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


class WithoutItsFramework:
    """An engine in an image that has only what predicting needs, as XGBoost's and LightGBM's without scipy."""

    def __init__(self, engine: Any) -> None:
        self.signature, self.predict = engine.signature, engine.predict

    @property
    def model(self) -> Any:
        raise ModuleNotFoundError("No module named 'scipy'")


@pytest.mark.parametrize(
    ("style", "code"),
    [
        ("functions", "def postprocess(outputs):\n    return {'z': outputs['y'] * 2}\n"),
        ("sagemaker", "def output_fn(prediction, accept):\n    return '[]', 'application/json'\n"),
    ],
)
def test_a_handler_that_does_not_ask_for_the_frameworks_object_needs_none(
    tmp_path: Path, style: str, code: str
) -> None:
    identity(tmp_path / "m.onnx")
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler" / f"around_{style}.py").write_text(code)
    manifest = Manifest(Model("m", "1", "m.onnx"), Runtime("onnx"), handler=Handler(f"around_{style}", style=style))
    load_pipeline(manifest, tmp_path, seen=WithoutItsFramework)


class Writer:
    """An engine that says a text letter by letter, as often as it is asked to."""

    model = None
    example: ClassVar = {"text": "ab"}

    def signature(self) -> Signature:
        return Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("said", "BYTES", (-1,)),))

    def predict(self, inputs: Any, parameters: Any = None) -> dict[str, np.ndarray]:
        times = (parameters or {}).get("times", 1)
        return {"said": np.array([text * times for text in inputs["text"]], object)}

    def stream(self, inputs: Any, parameters: Any = None) -> Iterator[str]:
        yield from self.predict(inputs, parameters)["said"][0]


def asked(pipe: WritingPipeline, rows: list[Any], **settings: Any) -> Any:
    job = SimpleNamespace(id="t", trace=None, request=Request(Rows(rows), **settings), inputs=None, count=0, key=None)
    plane = Dataplane(pipe)
    plane.prepare(job)
    return plane.run([job])[0]


def test_an_engine_that_writes() -> None:
    """The parameters of a request reach it, and its answer can be had in parts."""
    writer = Writer()
    pipe = WritingPipeline(writer, writer.signature())
    assert warm_up(pipe).error is None
    assert pipe.batchable

    whole = asked(pipe, [{"text": "ab"}, {"text": "c"}], parameters={"times": 2})
    assert whole.columns["said"].tolist() == ["abab", "cc"]
    assert list(asked(pipe, [{"text": "ab"}], parameters={"times": 2}, stream=True).parts) == ["a", "b", "a", "b"]


class Finder:
    """An engine whose rows are no values of a datatype."""

    model = None

    def signature(self) -> Signature:
        return Signature((TensorSpec("text", "BYTES", (-1,)),), (TensorSpec("found", "BYTES", (-1,)),))

    def predict(self, inputs: Any) -> list[Any]:
        nearly = 1 + 1e-7 * len(inputs["text"])  # computed with others, numbers differ in their last digits
        return [{"found": [{"letter": letter, "score": nearly} for letter in text]} for text in inputs["text"]]


def test_an_engine_that_answers_rows() -> None:
    finder = Finder()
    pipe = ModelPipeline(finder, finder.signature())
    assert warm_up(pipe).error is None
    assert pipe.batchable
    assert pipe.contract.outputs == finder.signature().outputs

    rows = asked(pipe, [{"text": "ab"}, {"text": ""}]).rows
    assert [[item["letter"] for item in row["found"]] for row in rows] == [["a", "b"], []]
