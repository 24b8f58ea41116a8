"""A function that JAX exported, packaged and asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running
from environments import make_sample
from modelbuild_runtime.process.models.differences import differs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Image = Callable[..., str]


def test_jax(mbuild: Mbuild, image: Image, client: Any, tmp_path: Path) -> None:
    """What is read of it without JAX is what JAX says, and any number of rows is answered."""
    sample = make_sample("jax", tmp_path)
    packaged = mbuild("package", sample.path, "-t", image(), "--json").json
    labels = client.images.get(packaged["reference"]).labels
    read, learnt = json.loads(labels["mbuild.signature"]), json.loads(labels["mbuild.contract"])
    for side in ("inputs", "outputs"):
        assert [(item["name"], item["datatype"], item["shape"]) for item in read[side]] == [
            (item["name"], item["datatype"], item["shape"]) for item in learnt[side]
        ]
    with running(client, packaged["reference"]) as (container, address):
        status, answer = ask(address, "/predict", sample.request)
        assert (status, differs(answer, sample.expected)) == (200, "")
        alone = [ask(address, "/predict", row)[1] for row in sample.request]
        assert differs(alone, sample.expected) == ""
        missing = {"features": [1.0, None, 3.0], "offset": 0.5}
        assert ask(address, "/predict", missing)[1]["probabilities"] == [None, None]  # NaN in, NaN out
        status, answer = ask(address, "/predict", {"features": [1.0], "offset": 0.5})
        assert (status, answer["field"]) == (400, "features")
        assert b"Traceback" not in container.logs()
    with running(client, packaged["reference"], environment={"MBUILD_WORKERS": "2"}) as (_, address):
        for _ in range(4):  # a size that none has compiled: where one was forked, it would wait for ever
            assert ask(address, "/predict", sample.request[:1] * 70)[0] == 200
