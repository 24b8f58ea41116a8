"""The plan: all that will be built, as a value. JSON round-trips; equal inputs give an equal digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from modelbuild.artifact import File

# What changes rarely comes first: a retrained model does not move the dependencies, a handler's edit moves kilobytes.
LAYER_ORDER = ("dependencies", "server", "model", "handler", "manifest")


@dataclass(frozen=True, slots=True)
class BaseImage:
    """What the image starts from.

    ``digest`` is the registry's manifest digest, empty for an image that only this engine has;
    ``id`` is the image's configuration digest. ``python`` is "3.11"; ``libc`` is "glibc 2.36" or "musl 1.2".
    ``packages`` are Debian's that it brings; of a plan's base, those that the runtime needs.
    """

    reference: str
    digest: str
    id: str
    platform: str
    python: str
    libc: str
    packages: tuple[str, ...] = ()

    @property
    def pinned(self) -> str:
        """The reference to write after FROM: by digest where there is one."""
        if not self.digest:
            return self.reference
        name = self.reference.split("@", 1)[0]
        return f"{name}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Tree:
    """Files of one layer, root-shaped: every ``File.path`` is relative to ``/`` of the image.

    ``notes`` are for the user: what could not be done as well as it might.
    """

    name: str
    files: tuple[File, ...]
    digest: str
    notes: tuple[str, ...] = ()

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

    @property
    def size(self) -> int:
        """Bytes of all files of all layers, before the engine packs them; without the base."""
        return sum(layer.size for layer in self.layers)

    @property
    def digest(self) -> str:
        """Equal for equal plans."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which ``from_json`` makes an equal plan."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # tuples become lists

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Plan:
        """The inverse of ``to_json``.

        Raises:
            TypeError: a key is missing or unknown.
        """
        lists = ("requirements", "system_packages", "ports", "entrypoint", "command")
        check = value["healthcheck"]
        parts = {
            "base": BaseImage(**{**value["base"], "packages": tuple(value["base"]["packages"])}),
            "layers": tuple(Layer(**layer) for layer in value["layers"]),
            "healthcheck": HealthCheck(**{**check, "command": tuple(check["command"])}),
            **{name: tuple(value[name]) for name in lists},
        }
        return Plan(**{**value, **parts})


def layer_of(tree: Tree) -> Layer:
    """What the plan says of a tree."""
    return Layer(tree.name, tree.digest, tree.size, len(tree.files))


def in_layer_order(trees: Iterable[Tree]) -> tuple[Tree, ...]:
    """Trees in the order of how rarely they change; large models have several: model, model-2, ..."""

    def rank(tree: Tree) -> tuple[int, int]:
        kind, _, number = tree.name.partition("-")
        return LAYER_ORDER.index(kind), int(number or 1)

    return tuple(sorted((tree for tree in trees if tree.files), key=rank))
