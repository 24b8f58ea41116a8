"""The manifest: what the builder tells the server. It is the only seam between the two.

/opt/mbuild/manifest.json in an image; its folder is the root that the paths in it are relative to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import msgspec

from modelbuild_runtime.signature import Signature


class Model(msgspec.Struct, frozen=True):
    """``path`` is the artifact's file or folder, relative to the manifest."""

    name: str
    version: str
    path: str


class Runtime(msgspec.Struct, frozen=True):
    """The folder under ``modelbuild_runtime.engines`` that loads the artifact; ``version`` of its framework."""

    name: str
    version: str = ""
    options: Dict[str, Any] = {}


class Handler(msgspec.Struct, frozen=True):
    """The user's module in the folder ``path``; ``style`` is functions, torchserve, sagemaker or
    definitions: what the model's pickle refers to.
    """

    module: str
    path: str = "handler"
    style: str = "functions"


class Example(msgspec.Struct, frozen=True):
    """A body for POST /predict, and the answer that is expected, where one is known."""

    request: Any
    expected: Any = None
    name: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """All that is needed to serve."""

    model: Model
    runtime: Runtime
    signature: Signature = Signature()
    handler: Optional[Handler] = None
    examples: Tuple[Example, ...] = ()
    schema: int = 1


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        OSError: it cannot be read.
        msgspec.DecodeError: it is not a manifest.
    """
    return msgspec.json.decode(path.read_bytes(), type=Manifest)
