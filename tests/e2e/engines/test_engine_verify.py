"""Verification against running containers: what is right passes, what is wrong is named, and all are removed."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from modelbuild.errors import VerificationError
from modelbuild.planning.manifest import Example
from modelbuild.verification import verify as verification
from modelbuild.verification.verify import verify

pytestmark = pytest.mark.docker

ONE = Example({"x": 1}, {"y": 2}, "one.json")


@pytest.fixture
def image(engine, tiny, progress):
    """A function that builds an image and removes it, and looks for containers that were left, in the end."""
    images = []

    def build(**changes):
        images.append(engine.build(*tiny(engine, **changes), no_cache=False, progress=progress))
        return images[-1].id

    yield build
    ours = {image.id for image in images}
    left = [entry for entry in engine.client.containers(all=True) if entry["ImageID"] in ours]
    for image in images:
        engine.remove(image)
    assert left == []


def test_an_image_that_keeps_its_word(engine, image):
    found = verify(engine, image(), [ONE, Example({"x": 2}, None, "two.json")])
    assert [(example.name, example.answer) for example in found.examples] == [
        ("one.json", {"y": 2}),
        ("two.json", {"y": 3}),
    ]
    assert found.compared == 1
    assert not found.generated
    assert 0 < found.ready_seconds < found.first_answer_seconds
    assert found.contract["model"] == {"name": "tiny"}
    assert found.summary.startswith("2 examples answered, 1 compared; ready in ")


def test_examples_of_the_contract(engine, image):
    found = verify(engine, image(), [])
    assert found.generated
    assert [example.answer for example in found.examples] == [{"y": 2.5}]
    assert found.to_json()["examples"][0]["request"] == {"x": 1.5}


def failure(engine, image_id, *examples, **options):
    with pytest.raises(VerificationError) as caught:
        verify(engine, image_id, examples, **options)
    return caught.value


def test_a_wrong_answer(engine, image):
    error = failure(engine, image(), ONE, Example({"x": 1}, {"y": 3}, "wrong.json"))
    assert error.message == "1 of 2 examples failed. wrong.json: $.y is 2 instead of 3"


def test_a_refused_example(engine, image):
    error = failure(engine, image(), Example({"z": 1}, None, "wrong.json"))
    assert "wrong.json: it was refused with 400: x: is missing" in error.message
    assert "mbuild inspect" in error.hint


def test_a_server_that_dies_at_once_says_why_and_not_how(engine, image):
    said = "Traceback (most recent call last):\\n  File x\\nImportError: libgomp.so.1 is missing\\n"
    features = f"import os\nos.write(2, b'{said}')\nos._exit(1)\n".encode()
    error = failure(engine, image(features=features), timeout=20)
    assert error.message == ("The image's server ended with exit code 1: ImportError: libgomp.so.1 is missing")
    assert "Traceback" not in error.details


def test_an_image_whose_command_does_not_exist(engine, image):
    assert "The image cannot be started: " in failure(engine, image(entrypoint=("/missing",))).message


def test_a_server_that_never_listens(engine, image):
    features = b"import time\nprint('loading for ever', flush=True)\ntime.sleep(60)\n"
    error = failure(engine, image(features=features), timeout=1.5)
    assert "was not ready within 2 seconds" in error.message
    assert "loading for ever" in error.details
    assert "--ready-timeout" in error.hint


def test_a_server_that_dies_while_it_answers(engine, image):
    features = b"import os\ndef add(x):\n    os._exit(9)\n"
    error = failure(engine, image(features=features), ONE)
    assert "ended with exit code 9" in error.message


def test_a_server_that_ignores_sigterm(engine, image, monkeypatch):
    monkeypatch.setattr(verification, "_STOP", 1.0)
    with pytest.raises(VerificationError, match="did not stop within 1 seconds of SIGTERM"):
        verify(engine, image(), [ONE], environment={"DEAF": "1"})


def test_a_health_check_that_lies(engine, image, monkeypatch):
    from modelbuild.planning.plan import HealthCheck

    check = HealthCheck(("python3", "-c", "raise SystemExit(1)"))
    assert "HEALTHCHECK fails with exit code 1" in failure(engine, image(healthcheck=check), ONE).message


def test_a_container_goes_whatever_happens(engine, image):
    image_id = image()

    @contextmanager
    def interrupted():
        with engine.run(image_id, environment={}) as container:
            assert container.exit_code() is None
            yield container
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), interrupted():
        pass  # the fixture looks for what is left
