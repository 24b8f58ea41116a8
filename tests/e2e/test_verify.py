"""`mbuild verify`: an image that exists is run, asked and compared."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import ANSWER, FEATURES, REQUEST, Project

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("untouched")]


@pytest.fixture
def wrong(mbuild: Mbuild, project: Project, image: Callable[..., str], client: Any) -> Iterator[str]:
    """An image that was never verified, and gives twice the answer that its example wants."""
    project.handler.write_text(FEATURES.replace("float(outputs", "2 * float(outputs"))
    reference = image()
    mbuild("package", project.model, "-H", project.handler, "-t", reference, "--no-verify")
    yield reference
    client.images.remove(reference)


@pytest.mark.usefixtures("packaged")
def test_an_image_that_answers_rightly(mbuild: Mbuild, packaged: dict[str, Any]) -> None:
    outcome = mbuild("verify", packaged["reference"])
    assert outcome.out.startswith("1 example answered, 1 compared; ready in ")
    found = mbuild("verify", packaged["id"], "--json").json
    (example,) = found["examples"]
    assert (example["request"], example["answer"], example["difference"]) == (REQUEST, ANSWER, "")
    assert found["contract"]["model"]["name"] == "packaged"


def test_an_image_that_answers_wrongly(mbuild: Mbuild, wrong: str) -> None:
    outcome = mbuild.fails(22, "verify", wrong)
    assert "$.total is 36.0 instead of 18.0" in outcome.message


def test_examples_of_ones_own(mbuild: Mbuild, project: Project, wrong: str) -> None:
    right = project.folder / "right.json"
    right.write_text(json.dumps({"request": REQUEST, "expected": {"total": 36.0}}))
    assert mbuild("verify", wrong, "-e", right).out.startswith("1 example answered, 1 compared")
    outcome = mbuild.fails(22, "verify", wrong, "-e", right, "-e", project.example)
    assert outcome.message == "1 of 2 examples failed. request.json: $.total is 36.0 instead of 18.0"


def test_how_far_answers_may_be_off(mbuild: Mbuild, project: Project, packaged: dict[str, Any]) -> None:
    near = project.folder / "near.json"
    near.write_text(json.dumps({"request": REQUEST, "expected": {"total": 18.1}}))
    assert "18.0 instead of 18.1" in mbuild.fails(22, "verify", packaged["reference"], "-e", near).message
    mbuild("verify", packaged["reference"], "-e", near, "--tolerance", "0.01")


@pytest.fixture
def deaf(client: Any, worker: str, packaged: dict[str, Any]) -> Iterator[str]:
    """An image made of ours whose command serves nothing."""
    name = f"mbuild-e2e-{worker}/deaf:1"
    dockerfile = f'FROM {packaged["reference"]}\nENTRYPOINT ["python3", "-c", "import time; time.sleep(60)"]\n'
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True)
    yield name
    client.images.remove(name)


def test_an_image_that_serves_nothing(mbuild: Mbuild, deaf: str) -> None:
    outcome = mbuild.fails(22, "verify", deaf, "--ready-timeout", "2")
    assert outcome.message == "The image was not ready within 2 seconds."


def test_an_image_that_mbuild_did_not_make(mbuild: Mbuild, base: str) -> None:
    assert mbuild.fails(22, "verify", base).message == f"{base} was not made by mbuild."


def test_images_that_are_not_there(mbuild: Mbuild) -> None:
    assert "no image absent/image:1" in mbuild.fails(21, "verify", "absent/image:1").message
    assert "'::' is no image reference" in mbuild.fails(2, "verify", "::").message
