"""The manifest: what the builder tells the server in the image. The server has its own reader of it; a test holds
the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError
from modelbuild.handlers.handler import Handler
from modelbuild.planning.trees import model_path
from modelbuild.signature import Signature

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Example:
    """A body for POST /predict, and the answer that is expected, where one is known."""

    request: Any
    expected: Any = None
    name: str = ""


def make_manifest(
    *,
    name: str,
    version: str,
    artifact: Artifact,
    runtime: str,
    framework_version: str = "",
    options: Mapping[str, Any] | None = None,
    signature: Signature | None = None,
    handler: Handler | None = None,
    examples: Iterable[Example] = (),
) -> bytes:
    """Canonical JSON: equal contents give equal bytes.

    Raises:
        ArtifactError: a runtime's reader or an example brought a value that JSON has no word for.
    """
    value: dict[str, Any] = {
        "model": {"name": name, "version": version, "path": model_path(artifact)},
        "runtime": {"name": runtime, "version": framework_version, "options": dict(options or {})},
        "signature": (signature or Signature()).to_json(),
        "handler": {"module": handler.module, "path": "handler", "style": handler.style} if handler else None,
        "schema": SCHEMA,
    }
    # Sorted, but for what is in the examples: the order of a record's fields may matter to a model.
    return canonical_json(
        {**json.loads(canonical_json(value)), "examples": [asdict(one) for one in examples]}, sort=False
    )


def canonical_json(value: Any, *, sort: bool = True) -> bytes:
    """Sorted keys, no spaces, UTF-8.

    Raises:
        ArtifactError: the value holds something that is no JSON, such as NaN.
    """
    try:
        text = json.dumps(value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"The manifest cannot be written as JSON: {error}.") from error
    return text.encode("utf-8")
