"""Models of text, packaged and asked what their own frameworks answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import make_sample
from modelbuild_runtime.engines.fasttext.sample import make as make_fasttext
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]

NESTED = """
import json


def postprocess(outputs):
    places = zip(outputs["label"], outputs["ents"])
    return [{"label": label, "cities": [found["text"] for found in json.loads(ents)]} for label, ents in places]
"""


def test_fasttext(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    sample = make_fasttext(tmp_path)
    packaged = mbuild("package", sample.path, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (container, address):
        status, answer = ask(address, "/predict", sample.request)
        assert (status, differs(answer, sample.expected)) == (200, "")
        alone = [ask(address, "/predict", row)[1] for row in sample.request]
        assert differs(alone, sample.expected) == ""
        assert ask(address, "/predict", {"text": ""}) == (200, {"label": "", "probabilities": [0, 0, 0]})
        status, answer = ask(address, "/predict", [{"text": None}])
        assert (status, answer["field"]) == (400, "text")
        assert b"Traceback" not in container.logs()


def test_spacy_with_a_handler_that_answers_json(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """What is read of it without spaCy is what spaCy says."""
    sample = make_sample("spacy", tmp_path)
    (tmp_path / "handler.py").write_text(NESTED)
    packaged = mbuild("package", sample.path, "-H", tmp_path / "handler.py", "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    assert "spacy==3." in labels["mbuild.requirements"]
    with running(client, packaged["reference"]) as (container, address):
        rows = [{"label": "far", "cities": cities} for cities in (["Lyon", "Paris"], [], ["Paris"])]
        assert ask(address, "/predict", sample.request) == (200, rows)
        assert [ask(address, "/predict", row) for row in sample.request] == [(200, row) for row in rows]
        assert ask(address, "/predict", {"text": ""}) == (200, {"label": "", "cities": []})
        assert b"Traceback" not in container.logs()
