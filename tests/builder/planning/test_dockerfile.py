from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from builder.values import BASE, LOCK, RUNTIME, example_plan
from modelbuild.planning.dockerfile import exec_form, render, render_portable, render_stage, word

GOLDENS = Path(__file__).parent / "goldens"
# What a builder of 20.10, classic or BuildKit, does not understand or would fetch from a hub.
FORBIDDEN = ("# syntax", "<<", "--mount", "--chmod", "--link", "--start-interval", "--network", "TARGETARCH", "ADD ")


@pytest.fixture
def plan(tmp_path):
    return example_plan(tmp_path)


@pytest.fixture
def full_plan(tmp_path):
    return example_plan(
        tmp_path,
        runtime=replace(RUNTIME, system_packages=("libgomp1", "a b")),
        base=replace(BASE, digest="", platform="linux/arm64"),
        lock=replace(LOCK, platform="linux/arm64", from_source=("delta",)),
        environment={"MOTTO": 'say "hi" to $HOME \\ #1', "MBUILD_PORT": "9000"},
        labels={"org.opencontainers.image.title": "été $5"},
    )


def test_the_dockerfile(plan, golden):
    golden(GOLDENS / "plain.Dockerfile", render(plan))


def test_the_dockerfile_with_everything(full_plan, golden):
    golden(GOLDENS / "full.Dockerfile", render(full_plan))


def test_the_portable_dockerfile(plan, full_plan, golden):
    golden(GOLDENS / "portable.Dockerfile", render_portable(plan, LOCK))
    lock, pages = replace(LOCK, from_source=("delta",)), ["https://wheels/cpu/delta/"]
    golden(GOLDENS / "portable-full.Dockerfile", render_portable(full_plan, lock, pages))


def test_the_dockerfile_of_a_stage(plan, golden):
    golden(GOLDENS / "stage.Dockerfile", render_stage(plan, BASE.pinned, ["dependencies", "server"], final=False))
    golden(GOLDENS / "final.Dockerfile", render_stage(plan, "mbuild-stage:1", ["handler", "manifest"], final=True))


def test_stages_together_say_what_the_whole_says(full_plan):
    names = [layer.name for layer in full_plan.layers]
    for cut in range(1, len(names) + 1):
        first = _instructions(render_stage(full_plan, full_plan.base.pinned, names[:cut], final=False))
        second = _instructions(render_stage(full_plan, "stage:1", names[cut:], final=True))
        assert first + second[3:] == _instructions(render(full_plan))


def _instructions(text):
    joined = text.replace("\\\n", " ").replace("COPY --chown=0:0 ", "COPY ")
    return [" ".join(line.split()) for line in joined.splitlines() if line and not line.startswith("#")]


def test_only_the_common_subset_is_used(plan, full_plan):
    for text in (render(plan), render(full_plan), render_portable(full_plan, LOCK)):
        for construct in FORBIDDEN:
            assert construct not in text
        assert _instructions(text)[0].startswith("ARG BASE=")


def test_a_run_only_where_system_packages_are_needed(plan, full_plan):
    assert "RUN" not in render(plan)
    assert render(full_plan).count("RUN ") == 1


def test_the_image_is_not_root_in_the_end(full_plan):
    users = [line for line in _instructions(render(full_plan)) if line.startswith("USER")]
    assert users == ["USER 0:0", "USER 65532:0"]


def test_words_keep_every_character():
    for text in ('"', "$HOME", "${A}", "\\", "\\n", "`x`", "a # b", "", "é", "'", "\\$", 'x\\"'):
        quoted = word(text)
        assert quoted[0] == quoted[-1] == '"'
        assert re.sub(r'\\([\\"$])', r"\1", quoted[1:-1]) == text
        assert not re.search(r'(?<!\\)(\\\\)*["$]', quoted[1:-1])


def test_exec_form_is_json():
    assert json.loads(exec_form(("a b", '"', "$x", "é"))) == ["a b", '"', "$x", "é"]


def test_the_portable_dockerfile_copies_no_dependencies(plan):
    copies = [line for line in _instructions(render_portable(plan, LOCK)) if line.startswith("COPY")]
    assert copies == [
        "COPY requirements.lock /requirements.lock",
        "COPY --from=dependencies /tree/ /",
        "COPY server/ /",
        "COPY model/ /",
        "COPY handler/ /",
        "COPY manifest/ /",
    ]
