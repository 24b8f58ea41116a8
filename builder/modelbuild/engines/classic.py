"""The classic builder's answer to ``POST /build``: lines of text, one JSON object each.

Each instruction makes an image. Those that are new are remembered, because the classic builder leaves the last one
behind, untagged, when a build fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from modelbuild.engines.transcript import Transcript, feed_lines

NAME = "the classic builder"
VERSION = "1"
PARAMETERS: Mapping[str, str] = {}

_STEP = re.compile(r"^Step \d+/\d+ : (.*)$")
_IMAGE = re.compile(r"^ ---> ([0-9a-f]{12,64})$")


def feed(transcript: Transcript, event: Mapping[str, Any]) -> None:
    """Take in one event of the stream."""
    feed_lines(transcript, event, _line)


def _line(transcript: Transcript, line: str) -> None:
    step, image = _STEP.match(line), _IMAGE.match(line)
    if step:
        transcript.step = step[1]
        # The image that FROM names is somebody's; the one of a cached step is of an earlier build.
        transcript.step_is_new = not step[1].startswith("FROM ")
    elif line == " ---> Using cache":
        transcript.step_is_new = False
        transcript.hit(transcript.step)
    elif image and transcript.step_is_new:
        transcript.intermediate.append(image[1])
    if line:
        transcript.log(line)
