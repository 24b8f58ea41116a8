"""Stage images: the slow beginning of an image, kept under a name made of its contents.

A rebuild starts FROM the longest one that is there and sends only what comes after it: after an edit of the
handler, kilobytes. Without them every builder is sent the whole model again, if only to find it unchanged.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from docker.errors import DockerException

from modelbuild.planning.plan import Layer, Plan
from modelbuild.registry.reference import parse

REPOSITORY = "mbuild-stage"
# Raised when a stage of the same contents would be built otherwise.
_FORMAT = 2
# Each kind of stage; the least recently used go. Layers that an image still has cost nothing.
KEEP = 6
# Another build may be about to start from one that it found.
IN_USE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Stage:
    """The first ``count`` layers of a plan, under a name that says exactly these."""

    reference: str
    kind: str
    count: int


def stages(plan: Plan, builder: str) -> tuple[Stage, ...]:
    """The stages worth keeping, shortest first: all up to the server, and all up to the model."""
    found = []
    for kind in ("server", "model"):
        count = max((number for number, layer in enumerate(plan.layers, 1) if _kind(layer) == kind), default=0)
        if count:
            found.append(Stage(f"{REPOSITORY}:{kind}-{_key(plan, builder, count)}", kind, count))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Part:
    """Layers to build on top of ``start``, a reference. The last part has no ``tag``: it is the image."""

    start: str
    layers: tuple[Layer, ...]
    tag: str = ""


def parts(plan: Plan, found: tuple[Stage, ...], start: Stage | None) -> list[Part]:
    """What is left to build after ``start``: each further stage, then the rest."""
    reference, done = (start.reference, start.count) if start else (plan.base.pinned, 0)
    left = []
    for stage in found:
        if stage.count > done:
            left.append(Part(reference, plan.layers[done : stage.count], stage.reference))
            reference, done = stage.reference, stage.count
    return [*left, Part(reference, plan.layers[done:])]


def longest(found: tuple[Stage, ...], exists: Callable[[str], bool]) -> Stage | None:
    """The longest stage that the engine has."""
    return next((stage for stage in reversed(found) if exists(stage.reference)), None)


def _kind(layer: Layer) -> str:
    """Large models have several layers: model, model-2, ..."""
    return layer.name.split("-", 1)[0]


def _key(plan: Plan, builder: str, count: int) -> str:
    """Builders write the same tree into different bytes, so each has its own stages."""
    contents = {
        "format": _FORMAT,
        "builder": builder,
        "base": plan.base.id,
        "platform": plan.platform,
        "system_packages": list(plan.system_packages),
        "layers": [layer.digest for layer in plan.layers[:count]],
    }
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:40]


def superfluous(images: Iterable[tuple[str, str]], before: str) -> list[str]:
    """Of (reference, time of last use), what is beyond the most recently used of each kind and was used ``before``."""
    kinds = defaultdict(list)
    for reference, used in images:
        kinds[reference.removeprefix(f"{REPOSITORY}:").split("-", 1)[0]].append((used, reference))
    beyond = [item for members in kinds.values() for item in sorted(members, reverse=True)[KEEP:]]
    return [reference for used, reference in beyond if used < before]


def forget_old(client: Any) -> None:
    """Remove stages that were not used for long. Nothing depends on that: failures are of no interest."""
    with suppress(DockerException, requests.RequestException):
        found: list[tuple[str, str]] = []
        for image in client.images(name=REPOSITORY):
            details = client.inspect_image(image["Id"])
            # Podman keeps no time of use, and answers with the year one.
            used = max(str((details.get("Metadata") or {}).get("LastTagTime", "")), str(details.get("Created", "")))
            names = [parse(tag) for tag in details.get("RepoTags") or ()]
            found.extend((str(name), used) for name in names if name.name == REPOSITORY)
        for reference in superfluous(found, before=(datetime.now(UTC) - IN_USE).isoformat()):
            client.remove_image(reference)
