"""What is learnt from a build's event stream, whichever builder writes it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# A whole pip or apt failure fits; a build's whole log does not.
TAIL = 40

_COPY = re.compile(r"COPY (\S+?)/? /$")


@dataclass(slots=True)
class Transcript:
    """Filled as the events arrive, so that an interrupted build still knows what it leaves behind.

    ``cached`` are the layers that the builder had already; ``intermediate`` the new images made on the way.
    """

    say: Callable[[str], None]
    image: str = ""
    error: str = ""
    failed_step: str = ""
    step: str = ""
    step_is_new: bool = False
    cached: set[str] = field(default_factory=set)
    intermediate: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))

    def log(self, line: str) -> None:
        """A line of the builder's log."""
        self.tail.append(line)
        self.say(line)

    def hit(self, step: str) -> None:
        """A step came from the builder's cache."""
        layer = copied_layer(step)
        if layer:
            self.cached.add(layer)


class Builder(Protocol):
    """A module that reads one builder's events: ``buildkit``, ``classic`` or ``buildah``.

    ``VERSION`` and ``PARAMETERS`` are what it wants to be told in the request.
    """

    NAME: str
    VERSION: str
    PARAMETERS: Mapping[str, str]

    def feed(self, transcript: Transcript, event: Mapping[str, Any]) -> None:
        """Take in one event."""


def copied_layer(step: str) -> str:
    """The layer whose tree an instruction copies ("COPY model/ /" gives "model"), empty for any other."""
    match = _COPY.search(step)
    return match[1] if match else ""


def feed_lines(transcript: Transcript, event: Mapping[str, Any], line: Callable[[Transcript, str], None]) -> None:
    """Take in one event of a stream of text, whose lines ``line`` understands."""
    for text in str(event.get("stream", "")).splitlines():
        line(transcript, text.rstrip())
    aux = event.get("aux")
    if isinstance(aux, dict) and "ID" in aux:
        transcript.image = aux["ID"]
    if "error" in event:
        transcript.error = str(event["error"]).strip()
        transcript.failed_step = transcript.step
