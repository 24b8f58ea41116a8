"""Exported programs name the device that each of their tensors was on. PyTorch without CUDA refuses those of a GPU."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Union

from modelbuild_runtime.errors import LoadError

_SAMPLES = "/sample_inputs/"


def on_cpu(path: Path) -> Union[str, io.BytesIO]:
    """What to load: the file, or a copy of it in memory in which everything is on the CPU.

    Raises:
        LoadError: it is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            documents = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}
            if not any(_names_gpu(document) for document in documents.values()):
                return str(path)
            return _moved(archive, documents)
    except (zipfile.BadZipFile, ValueError) as error:
        raise LoadError(f"{path.name} is corrupt: {error}", "Copy or export it again.") from error


def _moved(archive: zipfile.ZipFile, documents: Any) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as copy:
        for name in archive.namelist():
            if name in documents:
                copy.writestr(name, json.dumps(_replaced(documents[name])))
            else:
                # The example inputs are on the GPU as well, and nobody asks for them.
                copy.writestr(name, b"" if _SAMPLES in name else archive.read(name))
    made.seek(0)
    return made


def _is_gpu(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"type", "index"} and value["type"] in {"cuda", "xpu", "mps"}


def _names_gpu(value: Any) -> bool:
    if isinstance(value, dict):
        return _is_gpu(value) or any(map(_names_gpu, value.values()))
    return isinstance(value, list) and any(map(_names_gpu, value))


def _replaced(value: Any) -> Any:
    if _is_gpu(value):
        return {"type": "cpu", "index": None}
    if isinstance(value, dict):
        return {key: _replaced(item) for key, item in value.items()}
    return [_replaced(item) for item in value] if isinstance(value, list) else value
