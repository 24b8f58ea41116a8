"""Which Python the image has: what the artifact's framework, the runtime and the handler agree on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from modelbuild.declaration import Runtime
from modelbuild.errors import RequirementError, UsageError
from modelbuild.handlers.handler import Handler
from modelbuild.runtime import Reading, supported_python

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_ASK_FOR_ONE = re.compile(r"3\.\d{1,2}")


@dataclass(frozen=True, slots=True)
class Demand:
    """Somebody's condition on the Python, and a way to get rid of it."""

    who: str
    python: str
    way_out: str

    def fits(self, python: str) -> bool:
        """A minor version fits if its first or any later patch release does."""
        try:
            specifier = SpecifierSet(self.python)
        except InvalidSpecifier:
            return True
        return specifier.contains(python) or specifier.contains(f"{python}.99")

    @property
    def words(self) -> str:
        """The condition as a sentence that an error can hold."""
        fitting = [python for python in PYTHONS if self.fits(python)]
        return f"{self.who} needs Python {' or '.join(fitting) or self.python}"


def choose_python(
    runtime: Runtime,
    reading: Reading,
    handler: Handler | None,
    *,
    requested: str,
    host: str,
    base: str = "",
    requirements: tuple[str, ...] = (),
) -> str:
    """The image's Python, "3.11": the one requested, or that of the ``base`` that was named, or the host's where it
    fits, or the newest that fits.

    ``requirements`` are the user's own: where one overrides the framework's version, that version decides.

    Raises:
        UsageError: what was requested is no Python version.
        RequirementError: the one requested, or the base's, does not fit; or nothing satisfies everyone.
    """
    demands = _demands(runtime, reading, handler, requirements)
    if requested:
        return _check(requested, demands)
    if base:
        return _check_base(base, demands)
    if reading.python:  # the user may know better; the verification decides
        demands = (*demands, Demand("what the model was saved with", reading.python, "Choose a --python to try it."))
    fitting = [python for python in PYTHONS if all(demand.fits(python) for demand in demands)]
    if not fitting:
        raise _disagreement(demands)
    return host if host in fitting else fitting[-1]


def _demands(
    runtime: Runtime, reading: Reading, handler: Handler | None, requirements: tuple[str, ...]
) -> tuple[Demand, ...]:
    version = _overridden(runtime.package, requirements) or reading.version
    demands = [Demand(f"the runtime {runtime.name}", runtime.python, "Use another --runtime.")]
    supported = supported_python(runtime, version)
    if supported != runtime.python:
        way_out = f"Ask for another version: --requirement '{runtime.package}==...'."
        demands.append(Demand(f"{runtime.title} {version}", supported, way_out))
    if handler and handler.python:
        demands.append(Demand("the handler", handler.python, "Change it in the handler."))
    return tuple(demand for demand in demands if demand.python)


def _overridden(package: str, requirements: tuple[str, ...]) -> str:
    """The exact version of the framework that the user asks for."""
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # refused, and named, where all requirements are read
        if canonicalize_name(requirement.name) == canonicalize_name(package):
            exact = [part.version for part in requirement.specifier if part.operator == "=="]
            return exact[0].removesuffix(".*") if exact else ""
    return ""


def _check(requested: str, demands: tuple[Demand, ...]) -> str:
    if not _ASK_FOR_ONE.fullmatch(requested):
        raise UsageError(f"--python {requested!r} is no minor version of Python.", hint="Write it like 3.11.")
    return _fitting(requested, demands, f"Python {requested} was requested", "--python")


def _check_base(base: str, demands: tuple[Demand, ...]) -> str:
    return _fitting(base, demands, f"The base image has Python {base}", "--base")


def _fitting(python: str, demands: tuple[Demand, ...], why: str, option: str) -> str:
    """``python``, which ``option`` chose. Raises ``RequirementError`` where something demands another."""
    for demand in demands:
        if not demand.fits(python):
            raise RequirementError(
                f"{why}, but {demand.words}.", hint=f"Choose another {option}, or leave it out. {demand.way_out}"
            )
    return python


def _disagreement(demands: tuple[Demand, ...]) -> RequirementError:
    return RequirementError(
        f"No Python from {PYTHONS[0]} to {PYTHONS[-1]} suits everyone: "
        + "; ".join(demand.words for demand in demands)
        + ".",
        hint=" ".join(demand.way_out for demand in reversed(demands)),
    )
