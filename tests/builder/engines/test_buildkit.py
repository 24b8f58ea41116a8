from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from modelbuild.engines import buildkit
from modelbuild.engines.transcript import Transcript

STREAMS = Path(__file__).parent / "streams"


def read(name):
    lines = []
    transcript = Transcript(lines.append)
    for line in (STREAMS / f"{name}.jsonl").read_text().splitlines():
        buildkit.feed(transcript, json.loads(line))
    return transcript, lines


def test_a_build():
    transcript, lines = read("buildkit_success")
    assert transcript.image == "sha256:9969e258608befd0f9b5da704f70a4c932bb10c26d0582b9a988543fe413989c"
    assert transcript.error == ""
    assert transcript.cached == set()
    assert [line for line in lines if line.startswith(("[", "  "))] == [
        "[1/3] FROM docker.io/library/python:3.11-slim",
        "[2/3] COPY dependencies/ /",
        '[3/3] RUN ["python3", "-c", "import sys; print(\'out\'); print(\'err\', file=sys.stderr)"]',
        "  out",
        "  err",
    ]


def test_layers_from_the_cache():
    assert read("buildkit_cached")[0].cached == {"dependencies"}


def test_a_failure_names_its_step():
    transcript, lines = read("buildkit_failure")
    assert transcript.image == ""
    assert transcript.failed_step.startswith("[3/3] RUN")
    assert transcript.error.endswith("exit code: 3")
    assert "  about to fail" in lines


def varint(number):
    text = b""
    while number > 127:
        text += bytes([number & 127 | 128])
        number >>= 7
    return text + bytes([number])


def test_fields_of_every_wire_type():
    message = b"\x08" + varint(300) + b"\x12\x02hi" + b"\x19" + b"12345678" + b"\x25" + b"1234" + b"\x08\x01"
    assert list(buildkit.fields(message)) == [(1, 300), (2, b"hi"), (3, b"12345678"), (4, b"1234"), (1, 1)]


@pytest.mark.parametrize("message", [b"\x12\x05hi", b"\x08", b"\x0b\x01", b"\xff\xff"])
def test_damaged_messages(message):
    with pytest.raises((ValueError, IndexError)):
        list(buildkit.fields(message))


@pytest.mark.parametrize("aux", [base64.b64encode(b"\x0a\x05hi").decode(), "!", base64.b64encode(b"\x0b").decode()])
def test_an_event_that_cannot_be_read_fails_no_build(aux):
    lines = []
    transcript = Transcript(lines.append)
    buildkit.feed(transcript, {"id": "moby.buildkit.trace", "aux": aux})
    assert "could not be read" in lines[0]
    assert transcript.error == ""
