"""Bytes on their way to or from a registry, learnt from the engine's event stream."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelbuild.engines import Pushed
from modelbuild.progress import Progress

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_THERE = ("Layer already exists", "Mounted from", "Already exists")


@dataclass(slots=True)
class Transfer:
    """What is known so far. ``error`` is the engine's own message."""

    progress: Progress
    digest: str = ""
    error: str = ""
    done: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        if "error" in event:
            self.error = str((event.get("errorDetail") or {}).get("message") or event["error"]).strip()
        self._learn_digest(event, status)
        if not layer:
            return
        if status.startswith(_THERE):
            self.there.add(layer)
        elif status in {"Pushed", "Download complete", "Pull complete"}:
            self.sent.add(layer)
            self.done[layer] = self.total.get(layer, 0)
        elif status in {"Pushing", "Downloading"}:
            self._count(layer, event.get("progressDetail") or {})
        if status and status not in {"Pushing", "Downloading", "Extracting"}:
            self.progress.log(f"{layer}: {status}")

    def pushed(self) -> Pushed:
        """What a push came to."""
        return Pushed(
            self.digest, sum(self.total.get(layer, 0) for layer in self.sent), len(self.sent), len(self.there)
        )

    def _learn_digest(self, event: Mapping[str, Any], status: str) -> None:
        aux = event.get("aux")
        found = _DIGEST.search(status)
        if isinstance(aux, dict) and aux.get("Digest"):
            self.digest = aux["Digest"]
        elif found:
            self.digest = found[1]

    def _count(self, layer: str, detail: Mapping[str, int]) -> None:
        current = int(detail.get("current") or 0)
        # Small layers report no total, and some more bytes than their total, as tar has headers.
        self.total[layer] = max(int(detail.get("total") or 0), current, self.total.get(layer, 0))
        self.done[layer] = current
        self.progress.bytes(sum(self.done.values()), sum(self.total.values()))
