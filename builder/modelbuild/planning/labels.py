"""Labels: the image describes itself. Standard ones of OCI, and mbuild's own."""

from __future__ import annotations

import json
from collections.abc import Mapping

import modelbuild
from modelbuild.artifact import Artifact
from modelbuild.declaration import Runtime
from modelbuild.optimisation import Optimisation
from modelbuild.planning.plan import BaseImage
from modelbuild.runtime import Reading
from modelbuild.signature import Signature

# Some engines and registries refuse large labels. What does not fit is in the manifest inside the image.
MAX_LABEL = 32_000
VERIFIED = "mbuild.verified"
# What platforms ask of an image before they run it: SageMaker, that it takes its port from the environment, and that it
# loads further models when it is told to.
PLATFORM = {
    "com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true",
    "com.amazonaws.sagemaker.capabilities.multi-models": "true",
}
# The names of the layers above the base, lowest first: no builder keeps them so that they can be relied on.
LAYERS = "mbuild.layers"


def make_labels(
    *,
    name: str,
    version: str,
    base: BaseImage,
    runtime: Runtime,
    reading: Reading,
    artifact: Artifact,
    requirements: tuple[str, ...],
) -> dict[str, str]:
    """The labels of an image, sorted. No clock: equal inputs give equal labels."""
    labels = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.base.name": base.reference,
        "org.opencontainers.image.base.digest": base.digest,
        "mbuild.version": modelbuild.__version__,
        "mbuild.runtime": runtime.name,
        "mbuild.format": reading.format,
        "mbuild.framework-version": reading.version,
        "mbuild.artifact": artifact.digest,
        "mbuild.python": base.python,
        "mbuild.requirements": _json(list(requirements)),
        "mbuild.signature": "" if reading.signature == Signature() else _json(reading.signature.to_json()),
    }
    labels.update(PLATFORM)
    return {key: value for key, value in sorted(labels.items()) if value and len(value.encode()) <= MAX_LABEL}


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def optimised_labels(optimisation: Optimisation | None) -> dict[str, str]:
    """What came of ``--optimize``, where it was asked for."""
    text = _json(optimisation.to_json()) if optimisation else ""
    return {"mbuild.optimised": text} if text and len(text.encode()) <= MAX_LABEL else {}


def learnt_labels(contract: Mapping[str, object] | None, *, verified: bool) -> dict[str, str]:
    """What is known only after the image was asked: its contract, and that it answered."""
    labels = {VERIFIED: "true" if verified else "false"}
    text = _json(contract) if contract else ""
    if text and len(text.encode()) <= MAX_LABEL:
        labels["mbuild.contract"] = text
    return labels
