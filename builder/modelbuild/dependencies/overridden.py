"""What the artifact needs and the image does not have, since the user's requirement replaced it."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modelbuild.declaration import Runtime
from modelbuild.dependencies.requirements import pin
from modelbuild.runtime import Finding, Reading

# No framework promises to refuse what it cannot read right: an older XGBoost does not, nor does any pickle.
RISK = "another version may fail to load the model, or load it and answer wrong without an error"


def overridden(runtime: Runtime, reading: Reading, locked: Iterable[str]) -> tuple[Finding, ...]:
    """A finding for each package of which the lock (``locked``, as name==version) has another version than the artifact
    needs. The user may decide so, and should see what he decided.
    """
    versions = dict(_version(text) for text in locked)
    return (
        *_others(pin(runtime, reading), versions, f"will run what {reading.version} wrote", RISK),
        *_others(reading.requirements, versions, "is not what the model asks for", RISK),
    )


def _others(wishes: Iterable[str], versions: dict[str, str], what: str, risk: str) -> Iterable[Finding]:
    for wish in map(Requirement, wishes):
        here = versions.get(canonicalize_name(wish.name), "")
        if here and not wish.marker and not wish.specifier.contains(here, prereleases=True):
            yield Finding("review", f"{wish.name} {here} {what}", f"it needs {wish}; {risk}")


def _version(locked: str) -> tuple[str, str]:
    """Name and version; without a version, where it is locked by its URL."""
    name, _, version = locked.partition("==")
    return canonicalize_name(name.strip()), version.partition(";")[0].strip()
