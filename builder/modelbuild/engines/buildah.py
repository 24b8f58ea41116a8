"""Podman's builder, buildah, behind the same ``POST /build``: lines of text with words of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from modelbuild.engines.transcript import Transcript, feed_lines

NAME = "buildah"
VERSION = "1"
# A layer for each instruction instead of one for all of them.
PARAMETERS: Mapping[str, str] = {"layers": "1"}

_STEP = re.compile(r"^STEP \d+/\d+: (.*)$")
_IMAGE = re.compile(r"^--> (Using cache )?([0-9a-f]{10,64})$")


def feed(transcript: Transcript, event: Mapping[str, Any]) -> None:
    """Take in one event of the stream."""
    feed_lines(transcript, event, _line)


def _line(transcript: Transcript, line: str) -> None:
    step, image = _STEP.match(line), _IMAGE.match(line)
    if step:
        transcript.step = step[1]
        transcript.step_is_new = True
    elif image and image[1]:
        transcript.step_is_new = False
        transcript.hit(transcript.step)
    elif image and transcript.step_is_new:
        transcript.intermediate.append(image[2])
    if line:
        transcript.log(line)
