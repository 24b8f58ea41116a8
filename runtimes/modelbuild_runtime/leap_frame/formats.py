"""The formats of leap frames, by MLeap's names for them and by the media types of its servers."""

from __future__ import annotations

from typing import Union

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.http import media_type
from modelbuild_runtime.leap_frame import binary_frame, json_frame
from modelbuild_runtime.leap_frame.frame import Frame

JSON, BINARY = "ml.combust.mleap.json", "ml.combust.mleap.binary"
TYPES = {media_type.JSON: JSON, "application/x-protobuf": BINARY, "application/binary": BINARY}
"""The newer and the older server have each their own media type for the binary one."""


def read(body: Union[bytes, bytearray], form: str, most: int) -> Frame:
    """A frame of one of the formats, of at most so many values where only its reader can count them.

    Raises:
        ServerError: it is no such frame, or too large.
    """
    return json_frame.read(json_body.read(body)) if form == JSON else binary_frame.read(body, most)


def write(frame: Frame, form: str) -> bytes:
    """The frame's bytes; JSON has null for what is not finite."""
    if form == BINARY:
        return binary_frame.write(frame)
    written = json_frame.write(frame)
    return b'{"schema":%b,"rows":%b}' % (json_answer.encode(written["schema"]), json_answer.encode(written["rows"]))
