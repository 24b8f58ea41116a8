"""The header of a safetensors file: names, datatypes and shapes of tensors, without the tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelbuild.errors import ArtifactError

MAX_HEADER = 100_000_000
"""What the reference implementation takes."""
AGAIN = "Copy or save it again."


@dataclass(frozen=True, slots=True)
class Header:
    """``dtypes`` and ``shapes`` are by the name of the tensor; ``metadata`` is whatever the writer said."""

    dtypes: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read the header of a file.

    Raises:
        ArtifactError: it is cut off or corrupt.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, max(0, size - 8)):
            raise ArtifactError(f"{path.name} is cut off: its header says that it has {length} bytes.", hint=AGAIN)
        try:
            document = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"The header of {path.name} is no JSON: {error}.", hint=AGAIN) from error
    try:
        metadata = {str(key): str(value) for key, value in dict(document.pop("__metadata__", {})).items()}
        ends = [item["data_offsets"][1] for item in document.values()]
        found = Header(
            {name: str(item["dtype"]) for name, item in document.items()},
            {name: tuple(map(int, item["shape"])) for name, item in document.items()},
            metadata,
        )
        missing = max(ends, default=0) - (size - 8 - length)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ArtifactError(f"The header of {path.name} describes no tensors: {error!r}.", hint=AGAIN) from error
    if missing > 0:
        raise ArtifactError(f"{path.name} is cut off: the last {missing} bytes of its tensors are missing.", hint=AGAIN)
    return found
