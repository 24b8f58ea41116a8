"""What the image must install, as PEP 508 strings: of the server, the runtime, the artifact, the handler, the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from modelbuild.declaration import Runtime
from modelbuild.dependencies.index import has_credentials, redact
from modelbuild.errors import RequirementError
from modelbuild.handlers.handler import Handler
from modelbuild.handlers.style import GIVEN_THE_MODEL
from modelbuild.planning.trees import server_source
from modelbuild.runtime import Reading


@dataclass(frozen=True, slots=True)
class Wish:
    """One requirement, and who has it. A soft one gives way to the user's."""

    requirement: Requirement
    who: str
    soft: bool = False

    @property
    def name(self) -> str:
        """The distribution's canonical name."""
        return canonicalize_name(self.requirement.name)


def requirements_for(
    runtime: Runtime,
    reading: Reading,
    handler: Handler | None,
    server_requirements: Iterable[str],
    extra: Iterable[str],
) -> tuple[str, ...]:
    """All requirements of the image, sorted. The framework is pinned to the artifact's version as the runtime's rule
    says; what the user gives as ``extra`` replaces a pin and whatever the artifact or the handler says of that name.

    Raises:
        RequirementError: one is malformed, cannot be locked, or contradicts the pin.
    """
    yours = tuple(_wishes(extra, "--requirement"))
    replaced = {wish.name for wish in yours}
    others = (
        *_wishes(server_requirements, "the server"),
        *_wishes(runtime.requirements, f"the runtime {runtime.name}"),
        *_wishes(pin(runtime, reading), "the artifact", soft=True),
        *_wishes(reading.requirements, "the artifact", soft=True),
        *_wishes(handler.requirements if handler else (), "the handler", soft=True),
    )
    kept = (*(wish for wish in others if not (wish.soft and wish.name in replaced)), *yours)
    _require_agreement(kept)
    return tuple(sorted({str(wish.requirement) for wish in kept}))


def less_required(runtime: Runtime, handler: Handler | None) -> Mapping[str, tuple[str, ...]]:
    """What distributions are taken to require instead of what their metadata says: the little that the runtime's engine
    uses. A handler that uses one itself, or gets the framework's own object, may use all of it.
    """
    if handler is None:
        return runtime.requires
    if GIVEN_THE_MODEL.intersection(handler.entry_points):
        return {}
    used = {_parse(text, "the handler").name for text in handler.requirements}
    used = {canonicalize_name(name) for name in used}
    return {name: needs for name, needs in runtime.requires.items() if canonicalize_name(name) not in used}


def server_requirements() -> tuple[str, ...]:
    """What the server needs beside the framework of the model."""
    lines = (server_source() / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def pin(runtime: Runtime, reading: Reading) -> tuple[str, ...]:
    """The framework's version that the artifact needs, by the runtime's rule: the same, not older, or any."""
    if not (runtime.pin and runtime.package and reading.version):
        return ()
    try:
        # A local build's suffix (+cpu) is on no index.
        return (f"{runtime.package}{runtime.pin}{Version(reading.version).public}",)
    except InvalidVersion:
        return ()


def _wishes(texts: Iterable[str], who: str, *, soft: bool = False) -> Iterable[Wish]:
    return [Wish(_parse(text, who), who, soft) for text in texts]


def _parse(text: str, who: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise RequirementError(
            f"The requirement {redact(text)!r} of {who} cannot be read: {redact(reason)}.",
            hint="Write it like pandas>=2.2 (PEP 508).",
        ) from error
    if requirement.url:
        _check_url(requirement.url, text, who)
    return requirement


def _check_url(url: str, text: str, who: str) -> None:
    """A URL goes into the lock and with it into the image, and is checked by its hash."""
    if has_credentials(url):
        raise RequirementError(
            f"The requirement {redact(text)!r} of {who} holds credentials, which would end up in the image.",
            hint="Put them in ~/.netrc and leave them out of the URL.",
        )
    if not url.startswith(("https://", "http://")):
        raise RequirementError(
            f"The requirement {text!r} of {who} cannot be locked with a hash.",
            hint="Build a wheel of it (pip wheel); give its folder with --find-links, and here its name and version.",
        )


def _require_agreement(wishes: tuple[Wish, ...]) -> None:
    """Name the two sides of the one contradiction that is worth more than uv's words: pin against requirement."""
    for pinned in wishes:
        exact = [part.version for part in pinned.requirement.specifier if part.operator == "=="]
        if not exact or exact[0].endswith("*"):
            continue
        for other in wishes:
            same = other.name == pinned.name
            if same and not other.requirement.specifier.contains(exact[0], prereleases=True):
                raise RequirementError(
                    f"What {pinned.who} needs, {pinned.requirement}, contradicts {other.who}, "
                    f"which needs {other.requirement}.",
                    hint=f"Decide with --requirement '{pinned.requirement.name}==VERSION'.",
                )
