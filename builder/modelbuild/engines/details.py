"""Images as values, out of what the engine says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modelbuild.engines import ImageDetails
from modelbuild.engines.transcript import copied_layer
from modelbuild.image import Image, ImageLayer
from modelbuild.planning.labels import LAYERS
from modelbuild.planning.plan import Plan
from modelbuild.registry.reference import parse

# Instructions that make no layer, in the words of both builders' histories.
_NO_LAYER = re.compile(
    r"^(/bin/sh -c )?(#\(nop\)\s+)?"
    r"(ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b"
)


def built(details: Mapping[str, Any], base: Mapping[str, Any], plan: Plan, cached: set[str]) -> Image:
    """A fresh image. All of the base is one entry; packages that were installed above it are another."""
    diff_ids = details["RootFS"]["Layers"]
    below, above = len(base["RootFS"]["Layers"] or ()), len(diff_ids) - len(plan.layers)
    layers = [ImageLayer("base", diff_ids[below - 1], base["Size"], cached=True)] if below else []
    rest = details["Size"] - base["Size"] - sum(layer.size for layer in plan.layers)
    layers += [ImageLayer("system packages", diff, max(rest, 0), cached=False) for diff in diff_ids[below:above]]
    layers += [
        ImageLayer(layer.name, diff, layer.size, cached=layer.name in cached)
        for layer, diff in zip(plan.layers, diff_ids[above:], strict=True)
    ]
    return Image(details["Id"], plan.platform, details["Size"], tuple(layers))


def describe(details: Mapping[str, Any], history: Sequence[Mapping[str, Any]], reference: str) -> ImageDetails:
    """Any image. Its digest is that of the registry that the reference names."""
    labels = details["Config"].get("Labels") or {}
    platform = "/".join(part for part in (details["Os"], details["Architecture"], details.get("Variant")) if part)
    image = Image(
        id=details["Id"],
        platform=platform,
        size=details["Size"],
        layers=described_layers(details["RootFS"].get("Layers") or (), history, labels),
        reference=reference,
        digest=digest_of(details, reference),
    )
    environment = dict(entry.split("=", 1) for entry in details["Config"].get("Env") or () if "=" in entry)
    return ImageDetails(image, labels, environment)


def digest_of(details: Mapping[str, Any], reference: str) -> str:
    """The registry's digest of an image that was pulled from, or pushed to, the place that it is named for.

    Podman lists digests of its own storage first, under every name that the image has.
    """
    if reference == details["Id"]:
        return ""
    wanted = parse(reference)
    found = [parse(entry) for entry in details.get("RepoDigests") or () if "<none>" not in entry]
    return wanted.digest or next((entry.digest for entry in reversed(found) if entry.name == wanted.name), "")


def described_layers(
    diff_ids: Sequence[str], history: Sequence[Mapping[str, Any]], labels: Mapping[str, str]
) -> tuple[ImageLayer, ...]:
    """Layers with names and sizes, as far as the history tells which entry made which."""
    steps = [(entry.get("CreatedBy") or "", int(entry.get("Size") or 0)) for entry in reversed(history)]
    made = [step for step in steps if step[1] or not _NO_LAYER.match(step[0])]
    if len(made) != len(diff_ids):
        made = [("", 0)] * len(diff_ids)
    names = [copied_layer(text.removesuffix(" # buildkit")) or "base" for text, _ in made]
    own = labels.get(LAYERS, "").split()
    if 0 < len(own) <= len(names):
        names[-len(own) :] = own
    return tuple(
        ImageLayer(name, diff, size, cached=True) for name, diff, (_, size) in zip(names, diff_ids, made, strict=True)
    )
