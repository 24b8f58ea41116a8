"""No framework: the handler's load makes the model, and its predict runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping

import numpy as np

from modelbuild_runtime.engines import EngineOptions
from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.signature import Signature


class PythonEngine:
    """What a handler gets that loads nothing: no model."""

    model = None

    def __init__(self, name: str) -> None:
        self._name = name

    def signature(self) -> Signature:
        return Signature()

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:  # noqa: ARG002  # nobody could use it
        raise LoadError(
            f"nothing predicts on {self._name}: the handler has no predict",
            "Define load(context), which returns a model, and predict(model, inputs).",
        )


def load(path: Path, options: EngineOptions) -> PythonEngine:  # noqa: ARG001  # what loads is the handler
    """Load nothing: a handler whose own load returned a model does not even come here."""
    return PythonEngine(path.name)
