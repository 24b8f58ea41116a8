"""Give a base to an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker.errors import ImageNotFound

from modelbuild.base.archive import LABEL, BaseTar
from modelbuild.engines.failure import engine_errors, refused
from modelbuild.errors import BaseImageError


def load_base(base: BaseTar, client: Any, *, force: bool = False) -> str:
    """Load the image under its name through the SDK's ``APIClient``; its id in the engine.

    An image of that name which mbuild did not make is the user's own, and stays unless ``force``.

    Raises:
        BaseImageError: another image has this name.
        BuildError: the engine refused.
        NoSpaceError: the engine's disk is full.
    """
    present = _labels(client, base.reference)
    if present is not None and LABEL not in present and not force:
        hint = "Give this one another name with -t, or replace the other with --force."
        raise BaseImageError(f"{base.reference} is here already, and is not of mbuild's making.", hint=hint)
    with engine_errors(f"loading {base.reference}"), base.path.open("rb") as file:
        for event in client.load_image(file) or ():
            if "error" in event:
                raise refused(f"loading {base.reference}", str(event["error"]))
        return str(client.inspect_image(base.reference)["Id"])


def _labels(client: Any, reference: str) -> Mapping[str, str] | None:
    """The labels of an image that the engine has; None where it has none of this name."""
    with engine_errors(f"looking at {reference}"):
        try:
            labels: Mapping[str, str] = client.inspect_image(reference)["Config"].get("Labels") or {}
        except ImageNotFound:
            return None
    return labels
