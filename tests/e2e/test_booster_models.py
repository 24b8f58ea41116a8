"""Boosted trees that others made, packaged, and asked for the answers that are known of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.servers import ask, running

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)"),
]

Image = Callable[..., str]


def case(name: str) -> tuple[Path, dict[str, Any]]:
    """A case's artifact, and what is known of it."""
    told = json.loads((MODELS / name / "case.json").read_text())
    return MODELS / name / told["artifact"], told


@pytest.mark.parametrize("name", ["xgboost/kserve_iris_json", "xgboost/kserve_iris_bst"])
def test_xgboost(mbuild: Mbuild, image: Image, client: Any, name: str) -> None:
    model, told = case(name)
    packaged = mbuild("package", model, "-t", image(), "--json").json
    with running(client, packaged["reference"]) as (_, address):
        assert ask(address, "/predict", told["input"]) == (200, [{"label": told["expected"][0]}])
        more = [*told["input"], [6.0, 2.9, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]]
        assert ask(address, "/predict", more) == (200, [{"label": 0}, {"label": 1}, {"label": 2}])
        assert ask(address, "/predict", [[None, None, None, None]])[0] == 200
