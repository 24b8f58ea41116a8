"""A trial that was held, in process, for tests of what runtimes offer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from modelbuild_runtime.engines import Engine
from modelbuild_runtime.manifest import Example, Manifest, Model, Runtime
from modelbuild_runtime.optimising import trial
from modelbuild_runtime.pipeline import load_pipeline
from modelbuild_runtime.signature import Signature, TensorSpec


class Held:
    """A trial of a model, and the engines of both."""

    def __init__(
        self, folder: Path, runtime: str, file: str, rows: Any, *, options: Any = None, **manifest: Any
    ) -> None:
        (folder / "out").mkdir()
        examples = (Example(rows, None, "rows"),)
        told = Manifest(Model("m", "1", file), Runtime(runtime, options=options or {}), examples=examples, **manifest)
        self.report = trial.hold_trial(told, folder, folder / "out", target="onnx", tolerance=1e-4)
        self.original = _engine(told, folder)
        if self.report["kept"]:
            kept = self.report["runtime"]
            signature = json.loads(json.dumps(self.report["signature"]))
            sides = {
                side: tuple(
                    TensorSpec(**{**spec, "shape": tuple(spec["shape"]), "labels": tuple(spec["labels"])})
                    for spec in signature[side]
                )
                for side in ("inputs", "outputs")
            }
            served = Manifest(
                Model("m", "1", "out/model.onnx"),
                Runtime(kept["name"], options=kept["options"]),
                Signature(**sides, columns=signature["columns"]),
            )
            self.kept = _engine(served, folder)

    @property
    def reasons(self) -> list[str]:
        return [tried["reason"] for tried in self.report["tried"]]

    def require_equal(self, rows: dict[str, np.ndarray]) -> None:
        """Both answer alike, in everything that clients see."""
        expected, found = self.original.predict(rows), self.kept.predict(rows)
        assert list(found) == list(expected)
        for name, array in expected.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            if array.dtype.kind == "f":
                np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)
            else:
                assert found[name].tolist() == array.tolist()
        known, told = self.original.signature(), self.kept.signature()
        assert (told.inputs, told.columns) == (known.inputs, known.columns)
        assert told.outputs == known.outputs or not known.outputs


def _engine(manifest: Manifest, folder: Path) -> Engine:
    """As the server loads it: some models need the handler's code."""
    found: list[Engine] = []

    def seen(engine: Engine) -> Engine:
        found.append(engine)
        return engine

    load_pipeline(manifest, folder, 1, seen)
    return found[0]
