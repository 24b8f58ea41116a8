"""The outcome of a build."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One layer as built: the plan's name for it, its diff id, its size in bytes, whether it came from cache."""

    name: str
    diff_id: str
    size: int
    cached: bool


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. ``digest`` is the registry's, empty until pushed; ``id`` is the engine's."""

    id: str
    platform: str
    size: int
    layers: tuple[ImageLayer, ...]
    reference: str = ""
    digest: str = ""
