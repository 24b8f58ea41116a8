"""``mbuild init``: an mbuild.yaml beside the model, and a handler to start from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from modelbuild.config import FILE_NAME
from modelbuild.errors import UsageError
from modelbuild.signature import Signature, TensorSpec
from modelbuild.source import Source

_UNFIT = re.compile(r"[^a-z0-9]+")
"""What the name of an image cannot have, or only between two letters."""

HANDLER_NAME = "features.py"
# NumPy's names of the datatypes that an array of rows can have.
NUMPY = {
    "BOOL": "bool_",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}


def first_files(source: Source) -> Mapping[str, str]:
    """File names to texts: what a project needs to be packaged by ``mbuild package`` alone. There is a handler only
    where it can declare what it takes: one that takes anything would promise clients less than none.
    """
    handler = _handler(source.reading.signature)
    files = {FILE_NAME: _config(source, handler=bool(handler))}
    return {**files, HANDLER_NAME: handler} if handler else files


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


def _config(source: Source, *, handler: bool) -> str:
    name = _UNFIT.sub("-", Path(source.artifact.name).stem.lower()).strip("-") or "model"
    return f"""\
# `mbuild package` in this folder builds the image. Every flag of it can be a key here.
model: {source.artifact.name}
{"" if handler else "# "}handler: {HANDLER_NAME}
tag: {name}:latest
# requirement: []
# example: [request.json]
"""


def _handler(signature: Signature) -> str:
    """Of a model with one input of known size; "" for others."""
    if len(signature.inputs) != 1 or signature.columns:
        return ""
    spec = signature.inputs[0]
    dtype, row = NUMPY.get(spec.datatype), spec.shape[1:]
    if dtype is None or spec.shape[:1] != (-1,) or not row or min(row) < 1:
        return ""
    return f'''\
"""Feature code: what a client sends becomes what the model takes."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray


def preprocess(rows: Annotated[NDArray[np.{dtype}], {row}]) -> NDArray[np.{dtype}]:
    """Called once for all rows that wait together. The annotation is the contract: change it to what clients send.

    Returns the model's input {spec.name!r}: {spec.datatype} {list(spec.shape)}.
    """
    return rows


def postprocess(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model gives:
{_describe(signature.outputs)}
    """
    return outputs
'''


def _describe(specs: tuple[TensorSpec, ...]) -> str:
    return "\n".join(f"    {spec.name}: {spec.datatype} {list(spec.shape)}" for spec in specs)
