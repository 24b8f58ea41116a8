"""A folder as MLflow writes it, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builder.samples import pickled

PYFUNC = """\
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
"""
SKLEARN = """\
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.9.1
"""


def folder_of(root: Path, flavors: str = PYFUNC + SKLEARN, inputs: Any = None, **files: str | bytes) -> Path:
    """A folder ``m``. A dot in a file's name is written as two underscores."""
    folder = root / "m"
    folder.mkdir()
    signature = f"signature:\n  inputs: '{json.dumps(inputs)}'\n" if inputs is not None else ""
    (folder / "MLmodel").write_text(f"flavors:\n{flavors}mlflow_version: 3.17.2\n{signature}")
    for name, content in {"model__pkl": pickled(), "requirements__txt": "mlflow==3.17.2\n", **files}.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
