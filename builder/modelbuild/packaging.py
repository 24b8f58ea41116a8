"""The main job: from a model and a handler to a verified, tagged, pushed image."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from modelbuild.config import Options
from modelbuild.draft import Draft, make_draft
from modelbuild.engines import BuildEngine, Pushed, choose
from modelbuild.errors import EngineUnavailableError, UsageError, VerificationError
from modelbuild.host import Host
from modelbuild.image import Image
from modelbuild.planning.labels import learnt_labels
from modelbuild.progress import Progress
from modelbuild.registry.push import push
from modelbuild.registry.reference import Reference, parse
from modelbuild.verification.examples import read_example
from modelbuild.verification.verify import Verification, verify


@dataclass(frozen=True, slots=True)
class Packaged:
    """An image that is ready to be used, and how it came to be."""

    image: Image
    draft: Draft
    verification: Verification | None
    pushed: Pushed | None
    seconds: float

    @property
    def name(self) -> str:
        """The reference, with the digest that its registry knows it by once it is there."""
        return f"{self.image.reference}@{self.pushed.digest}" if self.pushed else self.image.reference

    def to_json(self) -> dict[str, Any]:
        """What ``mbuild package --json`` prints."""
        return {
            "reference": self.image.reference,
            "id": self.image.id,
            "digest": self.image.digest,
            "platform": self.image.platform,
            "size": self.image.size,
            "layers": [asdict(layer) for layer in self.image.layers],
            "plan": self.draft.plan.digest,
            "findings": [asdict(item) for item in self.draft.source.reading.findings],
            "optimisation": self.draft.optimisation.to_json() if self.draft.optimisation else None,
            "verification": self.verification.to_json() if self.verification else None,
            "seconds": round(self.seconds, 3),
        }


def package(model: Path, options: Options, host: Host, progress: Progress) -> Packaged:
    """Build an image, run it, replay its examples, tag it, and push it if asked to. Nothing is tagged untested.

    Raises:
        MbuildError: one of its subclasses for each thing that can go wrong; nothing is left behind then.
    """
    if not options.tag:
        raise UsageError("The image has no name.", hint="Give one with -t registry/team/name:version.")
    reference = str(_tag(options.tag))
    began = time.monotonic()
    engine = choose(options.engine, host)
    progress.log(f"engine: {engine.reason}")
    draft = make_draft(model, options, host, progress, engine)
    image = engine.build(draft.plan, draft.context, no_cache=options.no_cache, progress=progress)
    image, verification = _verified(image, engine, draft, options, reference, progress)
    pushed = None
    if options.push:
        progress.step("Pushing", reference)
        pushed = push(engine, reference, progress=progress)
        image = replace(image, digest=pushed.digest)
    return Packaged(image, draft, verification, pushed, time.monotonic() - began)


def _tag(text: str) -> Reference:
    """A name to give or to push: a digest is what comes of it."""
    reference = parse(text)
    if reference.digest:
        hint = f"Leave out @{reference.digest[:14]}...: the registry tells the digest of what is pushed."
        raise UsageError(f"{text!r} names an image by its digest, which no image can be given.", hint=hint)
    return reference


def _verified(
    image: Image, engine: BuildEngine, draft: Draft, options: Options, reference: str, progress: Progress
) -> tuple[Image, Verification | None]:
    """Ask the image its examples, write on it what was learnt, and only then give it its name."""
    verification = None
    try:
        if not options.no_verify:
            progress.step("Verifying", _count(len(draft.examples)))
            verification = verify(
                engine, image.id, draft.examples, tolerance=options.tolerance, timeout=options.ready_timeout
            )
        progress.step("Tagging", reference)
        image = engine.label(image, _learnt(verification))
        return engine.tag(image, reference), verification
    except BaseException:
        engine.remove(image)
        raise


def _count(examples: int) -> str:
    if not examples:
        return "examples made from the contract"
    return f"{examples} example{'' if examples == 1 else 's'}"


def _learnt(verification: Verification | None) -> Mapping[str, str]:
    return learnt_labels(verification.contract["contract"] if verification else None, verified=verification is not None)


def engine_or_none(options: Options, host: Host) -> BuildEngine | None:
    """An engine to look at the base image with. Planning and rendering do without one, unless one was named."""
    try:
        return choose(options.engine, host)
    except EngineUnavailableError:
        if options.engine:
            raise
        return None


def verify_image(reference: str, options: Options, host: Host, progress: Progress) -> Verification:
    """Run an image that exists and replay its examples: the given ones, or those it carries."""
    parse(reference)
    engine = choose(options.engine, host)
    details = engine.inspect(reference)
    if "mbuild.version" not in details.labels:
        raise VerificationError(
            f"{reference} was not made by mbuild.", hint="Package a model: mbuild package MODEL -t NAME"
        )
    examples = tuple(read_example(path) for path in options.example)
    progress.step("Verifying", reference)
    return verify(engine, details.image.id, examples, tolerance=options.tolerance, timeout=options.ready_timeout)


def push_image(reference: str, options: Options, host: Host, progress: Progress) -> Pushed:
    """Push an image that exists."""
    _tag(reference)
    engine = choose(options.engine, host)
    engine.inspect(reference)
    progress.step("Pushing", reference)
    return push(engine, reference, progress=progress)
