"""The classic builder and buildah answer in lines of text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelbuild.engines import buildah, classic
from modelbuild.engines.transcript import TAIL, Transcript, copied_layer

STREAMS = Path(__file__).parent / "streams"


def read(builder, name):
    lines = []
    transcript = Transcript(lines.append)
    for line in (STREAMS / f"{name}.jsonl").read_text().splitlines():
        builder.feed(transcript, json.loads(line))
    return transcript, lines


@pytest.mark.parametrize(
    ("builder", "name", "image", "new"),
    [
        (classic, "classic", "sha256:88c8067f87dc", ["683c14b17eaa", "bb7cb43aeb18", "88c8067f87dc"]),
        (buildah, "buildah", "sha256:4617cf7003c1", ["8baba0f241d", "e1866fc724e", "4617cf7003c"]),
    ],
)
def test_a_build(builder, name, image, new):
    transcript, lines = read(builder, f"{name}_success")
    assert transcript.image.startswith(image)
    assert transcript.error == ""
    assert transcript.cached == set()
    assert transcript.intermediate == new
    assert any("COPY dependencies/ /" in line for line in lines)


@pytest.mark.parametrize(("builder", "name"), [(classic, "classic"), (buildah, "buildah")])
def test_layers_from_the_cache(builder, name):
    transcript, _ = read(builder, f"{name}_cached")
    assert "dependencies" in transcript.cached
    assert transcript.intermediate == []  # nothing that this build would have to remove


@pytest.mark.parametrize(
    ("builder", "name", "left", "error"),
    [
        (classic, "classic", ["92b0127f97d3"], "returned a non-zero code: 3"),
        (buildah, "buildah", ["2ac129ba08f"], "exit status 3"),
    ],
)
def test_a_failure_leaves_what_it_made_and_not_its_base(builder, name, left, error):
    transcript, _ = read(builder, f"{name}_failure")
    assert transcript.image == ""
    assert transcript.failed_step.startswith("RUN")
    assert transcript.error.endswith(error)
    assert transcript.intermediate == left
    assert "about to fail" in transcript.tail


def test_only_the_end_of_a_log_is_kept():
    transcript = Transcript(lambda _: None)
    for number in range(1000):
        transcript.log(str(number))
    assert list(transcript.tail) == [str(number) for number in range(1000 - TAIL, 1000)]


@pytest.mark.parametrize(
    ("step", "layer"),
    [
        ("COPY dependencies/ /", "dependencies"),
        ("[2/6] COPY model-2/ /", "model-2"),
        ("/bin/sh -c #(nop) COPY dir:408031c79e in / ", ""),
        ("COPY requirements.lock /requirements.lock", ""),
        ("COPY --from=dependencies /tree/ /", ""),
        ("RUN true", ""),
        ("", ""),
    ],
)
def test_the_layer_that_a_step_copies(step, layer):
    assert copied_layer(step) == layer
