"""``mbuild init``: an mbuild.yaml beside the model, and a handler to start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from modelbuild.config import FILE_NAME
from modelbuild.errors import UsageError
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec
from modelbuild.source import Source

HANDLER_NAME = "features.py"


def first_files(source: Source) -> Mapping[str, str]:
    """File names to texts: what a project needs to be packaged by ``mbuild package`` alone."""
    return {FILE_NAME: _config(source), HANDLER_NAME: _handler(source.reading)}


def write_files(folder: Path, files: Mapping[str, str], *, force: bool) -> tuple[Path, ...]:
    """Write all of them or none.

    Raises:
        UsageError: one exists, and ``force`` is not set.
    """
    paths = [folder / name for name in files]
    existing = [path for path in paths if path.exists()]
    if existing and not force:
        raise UsageError(f"{existing[0]} exists.", hint="--force overwrites it.")
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return tuple(paths)


def _config(source: Source) -> str:
    name = Path(source.artifact.name).stem.lower().replace("_", "-")
    return f"""\
# `mbuild package` in this folder builds the image. Every flag of it can be a key here.
model: {source.artifact.name}
handler: {HANDLER_NAME}
tag: {name}:latest
# requirement: []
# example: [request.json]
"""


def _handler(reading: Reading) -> str:
    names = reading.metadata.get("feature names", "")
    if reading.signature.columns or names:
        return _frame_handler(_describe(reading.signature.inputs) if reading.signature.inputs else f"    {names}")
    return _array_handler(reading.signature)


def _describe(specs: tuple[TensorSpec, ...]) -> str:
    if not specs:
        return "    what `mbuild verify IMAGE --json` says of the image"
    return "\n".join(f"    {spec.name}: {spec.datatype} {list(spec.shape)}" for spec in specs)


def _array_handler(signature: Signature) -> str:
    return f'''\
"""Feature code: what a client sends becomes what the model takes."""

import numpy as np


def preprocess(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Called once for all rows that wait together.

    The model takes:
{_describe(signature.inputs)}
    """
    return inputs


def postprocess(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model gives:
{_describe(signature.outputs)}
    """
    return outputs
'''


def _frame_handler(columns: str) -> str:
    return f'''\
"""Feature code: what a client sends becomes what the model takes."""

import pandas as pd


def preprocess(frame: pd.DataFrame) -> pd.DataFrame:
    """Called once for all rows that wait together.

    The model takes the columns:
{columns}
    """
    return frame
'''
