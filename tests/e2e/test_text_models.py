"""Models of text, packaged and asked what their own frameworks answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from modelbuild_runtime.engines.fasttext.sample import make as make_fasttext
from modelbuild_runtime.process.differences import differs
from runtime.fasttexts import CBOW, NEGATIVE, SUBWORDS, written

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]

NEIGHBOURS = """
import numpy as np


def predict(model, inputs):
    texts = [text.decode() if isinstance(text, bytes) else text for text in inputs["text"]]
    return {"nearest": np.array([model.get_nearest_neighbors(text, k=1)[0][1] for text in texts], object)}
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


def test_vectors_of_fasttext_in_a_handler(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    from fasttext.FastText import _FastText

    model = written(tmp_path, kind=CBOW, loss=NEGATIVE, **SUBWORDS)
    (tmp_path / "handler.py").write_text(NEIGHBOURS)
    packaged = mbuild("package", model, "-H", tmp_path / "handler.py", "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        status, answer = ask(address, "/predict", [{"text": "été"}])
    (nearest,) = _FastText(str(model)).get_nearest_neighbors("été", k=1)
    assert (status, answer) == (200, [{"nearest": nearest[1]}])
