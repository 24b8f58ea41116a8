"""What came of ``--optimize``: what was tried, what was kept, and why, in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Optimisation:
    """``digest`` and ``format`` are the original's. ``report`` is the trial's: ``kept`` and ``tried``."""

    digest: str
    format: str
    tolerance: float
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> str:
        """The form that was kept; empty for the original."""
        return str(self.report["kept"])

    @property
    def lines(self) -> Iterator[str]:
        """For people: the verdict on each that was tried."""
        for tried in self.report["tried"]:
            if tried["reason"]:
                yield f"not kept: {tried['name']}: {tried['reason']}"
            else:
                numbers = f"{_times(tried)}; {_checked(tried, self.tolerance)}"
                yield f"kept: {tried['name']} instead of {self.format}: {numbers}"
        if not self.kept:
            yield f"kept: the original, {self.format}"

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints, and the image's label holds."""
        return {
            "kept": self.kept or "original",
            "original": {"digest": self.digest, "format": self.format},
            "tolerance": self.tolerance,
            "tried": list(self.report["tried"]),
        }


def _times(tried: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{one['candidate']:g} instead of {one['original']:g} µs for {size} row{'' if size == '1' else 's'} "
        f"({one['original'] / one['candidate']:.1f} times as fast)"
        for size, one in tried["microseconds"].items()
    )


def _checked(tried: Mapping[str, Any], tolerance: float) -> str:
    checked = tried["checked"]
    examples = f"{checked['examples']} example{'' if checked['examples'] == 1 else 's'}"
    undecided = f", {checked['undecided']} between two equally probable classes" if checked["undecided"] else ""
    refused = ", ".join(f"{' and '.join(kinds)} values of {name}" for name, kinds in checked["refused"].items())
    further = f"; it refuses what the original answers: {refused}" if refused else ""
    return (
        f"equal within {tolerance:g} on {examples} and {checked['rows']} rows "
        f"(numbers differ by {checked['largest']:.1e} at most{undecided}){further}"
    )
