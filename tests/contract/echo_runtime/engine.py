"""Answers each input under its own name. The manifest's signature says which inputs there are."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.signature import Signature


class EchoEngine:
    def __init__(self, signature: Signature) -> None:
        self.model = None
        self._signature = Signature(signature.inputs, signature.inputs)

    def signature(self) -> Signature:
        return self._signature

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        words = {word for array in inputs.values() if array.dtype == object for word in array.ravel().tolist()}
        if words & {"raise", b"raise"}:
            raise ValueError("secret detail of the model")
        if words & {"sleep", b"sleep"}:
            time.sleep(0.5)
        return dict(inputs)


def load(path: Path, options: EngineOptions) -> EchoEngine:
    assert path.read_text() == "echo"
    return EchoEngine(options.signature)
