"""Give a base to a Docker engine."""

from __future__ import annotations

from typing import Any

import docker
import docker.errors

from modelbuild.base.archive import LABEL, BaseTar
from modelbuild.errors import BaseImageError, BuildError


def load_base(base: BaseTar, client: docker.DockerClient, *, force: bool = False) -> str:
    """Load the image under its name; its id in the engine.

    An image of that name which mbuild did not make is the user's own, and stays unless ``force``.

    Raises:
        BaseImageError: another image has this name.
        BuildError: the engine refused.
    """
    present = _labels(client, base.reference)
    if present is not None and LABEL not in present and not force:
        hint = "Give this one another name with -t, or remove the other: docker rmi."
        raise BaseImageError(f"{base.reference} is here already, and is not of mbuild's making.", hint=hint)
    try:
        with base.path.open("rb") as file:
            client.images.load(file)
        return str(client.images.get(base.reference).id)
    except docker.errors.DockerException as error:
        raise BuildError(f"The engine did not take {base.reference}: {error}") from error


def _labels(client: docker.DockerClient, reference: str) -> dict[str, Any] | None:
    try:
        return dict(client.images.get(reference).labels)
    except docker.errors.ImageNotFound:
        return None
    except docker.errors.DockerException as error:
        raise BuildError(f"The engine does not say whether it has {reference}: {error}") from error
