"""The plan: all that will be built, as a value. JSON round-trips; equal inputs give an equal digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelbuild.artifact import File


@dataclass(frozen=True, slots=True)
class BaseImage:
    """What the image starts from.

    ``digest`` is the registry's manifest digest, empty for an image that only this engine has;
    ``id`` is the image's configuration digest. ``python`` is "3.11"; ``libc`` is "glibc 2.36" or "musl 1.2".
    """

    reference: str
    digest: str
    id: str
    platform: str
    python: str
    libc: str

    @property
    def pinned(self) -> str:
        """The reference to write after FROM: by digest where there is one."""
        if not self.digest:
            return self.reference
        name = self.reference.split("@", 1)[0]
        return f"{name}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Tree:
    """Files of one layer, root-shaped: every ``File.path`` is relative to ``/`` of the image."""

    name: str
    files: tuple[File, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the plan: the name of its tree, its content digest, its size in bytes, its number of files."""

    name: str
    digest: str
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How the engine asks the container for its health; times in seconds."""

    command: tuple[str, ...]
    interval: int = 10
    timeout: int = 3
    start_period: int = 60
    retries: int = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that determines the image. No absolute path, no clock."""

    base: BaseImage
    platform: str
    python: str
    runtime: str
    requirements: tuple[str, ...]
    system_packages: tuple[str, ...]
    layers: tuple[Layer, ...]
    environment: Mapping[str, str]
    user: str
    ports: tuple[int, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    healthcheck: HealthCheck
    labels: Mapping[str, str]
    stop_signal: str = "SIGTERM"
