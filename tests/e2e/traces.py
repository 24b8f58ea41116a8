"""What a run leaves in the engine. Stages are kept on purpose and do not count."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import docker.errors

STAGE = "mbuild-stage:"


@dataclass(frozen=True)
class Found:
    """Ids of containers and of images without a name and without an image above them; names of images."""

    containers: frozenset[str]
    names: frozenset[str]
    nameless: frozenset[str]


@dataclass(frozen=True)
class Traces:
    """Looks at what carries this worker's label only: others may use the same engine."""

    LABEL: ClassVar[str] = "mbuild-e2e"

    client: Any
    worker: str

    def look(self) -> Found:
        api, label = self.client.api, f"{self.LABEL}={self.worker}"
        containers = api.containers(all=True, filters={"label": label})
        images = api.images(filters={"label": label})
        nameless = api.images(filters={"label": label, "dangling": True})
        names = {tag for image in images for tag in image["RepoTags"] or () if tag != "<none>:<none>"}
        return Found(
            frozenset(container["Id"] for container in containers),
            frozenset(name for name in names if not name.startswith(STAGE)),
            frozenset(image["Id"] for image in nameless),
        )

    def require(self, before: Found) -> None:
        """Engines let go of things with a little delay."""
        deadline = time.monotonic() + 10
        while (after := self.look()) != before and time.monotonic() < deadline:
            time.sleep(0.2)
        assert after.containers <= before.containers, "a container is left"
        assert after.names == before.names, "an image has a new name, or has lost its name"
        assert after.nameless <= before.nameless, "an image without a name is left"

    def builds(self) -> frozenset[str]:
        """Ids of the large parts of the builders' cache."""
        return frozenset(part["ID"] for part in self.client.df()["BuildCache"] or () if part["Size"] > 1_000_000)

    def forget_builds(self, before: frozenset[str]) -> None:
        """A build without a cache leaves all of its layers in the cache: remove what these tests made of it."""
        for part in self.builds() - before:
            self.client.api.prune_builds(filters={"id": part}, all=True)

    def remove_all(self) -> None:
        for container in self.client.api.containers(all=True, filters={"label": f"{self.LABEL}={self.worker}"}):
            self.client.api.remove_container(container["Id"], force=True, v=True)
        for image in self.client.api.images(filters={"label": f"{self.LABEL}={self.worker}"}):
            for name in image["RepoTags"] or [image["Id"]]:
                with suppress(docker.errors.APIError):
                    self.client.api.remove_image(image["Id"] if name == "<none>:<none>" else name, force=True)
