"""The header of a safetensors file: names, types and shapes of its tensors, without the tensors.

Source: the format's description in huggingface/safetensors: a length of eight bytes, so much JSON, then the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

MAX_HEADER = 100_000_000
"""Bytes, as the format's own library allows."""


class SafetensorsError(ValueError):
    """What is wrong with a file."""


@dataclass(frozen=True, slots=True)
class Header:
    """``tensors`` are types and shapes by name; ``metadata`` is whatever text its writer left."""

    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read the header, and hold the size of the file against it.

    Raises:
        SafetensorsError: it is no such file, or cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise SafetensorsError("its header is cut off, or it is no safetensors file")
        text = file.read(length)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SafetensorsError("its header is no JSON") from error
    if not isinstance(table, dict):
        raise SafetensorsError("its header is no JSON object")
    metadata = table.pop("__metadata__", {})
    tensors = {name: _entry(name, value) for name, value in table.items()}
    end = max((value["data_offsets"][1] for value in table.values()), default=0)
    if 8 + length + end != size:
        raise SafetensorsError(f"it has {size} bytes, and its header speaks of {8 + length + end}")
    return Header(tensors, metadata if isinstance(metadata, dict) else {})


def _entry(name: str, value: Any) -> tuple[str, tuple[int, ...]]:
    if isinstance(value, dict):
        dtype, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
        if isinstance(dtype, str) and _is_sizes(shape) and _is_sizes(offsets) and len(offsets) == 2:
            return dtype, tuple(shape)
    raise SafetensorsError(f"its header does not describe the tensor {name!r}")


def _is_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)
