from __future__ import annotations

import errno

import pytest
import requests
from docker.errors import APIError, DockerException, NotFound

from modelbuild.engines.endpoint import _why
from modelbuild.engines.failure import engine_errors, refused
from modelbuild.engines.http_build import check
from modelbuild.engines.transcript import Transcript
from modelbuild.errors import ArtifactError, BuildError, NoSpaceError


@pytest.mark.parametrize(
    "message",
    [
        "write /var/lib/docker/tmp/x: no space left on device",
        "Error processing tar file(exit status 1): write /opt/mbuild/model/m.onnx: no space left on device",
        "write /x: disk quota exceeded",
    ],
)
@pytest.mark.parametrize("gone", [True, False])
def test_a_full_disk_is_a_full_disk_whoever_says_it(message, gone):
    error = refused("building the image", message, gone=gone)
    assert isinstance(error, NoSpaceError)
    assert message in error.message
    assert "docker builder prune" in error.hint


def test_an_engine_that_says_nothing_any_more():
    error = refused("building the image", "Connection reset by peer", gone=True)
    assert isinstance(error, BuildError)
    assert error.message == "The engine went away while building the image."
    assert error.details == "Connection reset by peer"


def answer(status):
    response = requests.Response()
    response.status_code = status
    return response


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (APIError("500 Server Error", explanation="driver failed"), "The engine failed while trying: driver failed"),
        (
            NotFound("404 Client Error", explanation="No such image: x"),
            "The engine failed while trying: No such image: x",
        ),
        (
            APIError("500 Server Error", response=answer(500)),
            "The engine failed while trying: it answers with status 500 and says no more",
        ),
        (requests.ConnectionError("reset"), "The engine went away while trying."),
        (requests.exceptions.ChunkedEncodingError("ended"), "The engine went away while trying."),
        (requests.ReadTimeout("slow"), "The engine went away while trying."),
        (BrokenPipeError(32, "Broken pipe"), "The engine went away while trying."),
        (DockerException("odd"), "The engine went away while trying."),
    ],
)
def test_what_the_sdk_raises(raised, message):
    with pytest.raises(BuildError) as caught, engine_errors("trying"):
        raise raised
    assert caught.value.message == message
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize("raised", [ArtifactError("changed"), KeyboardInterrupt(), ValueError("a mistake of ours")])
def test_what_is_not_the_engines_passes(raised):
    with pytest.raises(type(raised)), engine_errors("trying"):
        raise raised


def test_a_failed_build_shows_the_end_of_its_log():
    transcript = Transcript(lambda _: None, error="exit code: 100", failed_step="RUN apt-get update")
    transcript.log("E: Unable to locate package libgomp9")
    with pytest.raises(BuildError) as caught:
        check(transcript)
    assert caught.value.message == "The build failed at 'RUN apt-get update': exit code: 100"
    assert caught.value.details == "E: Unable to locate package libgomp9"


def test_a_build_that_ends_without_an_image():
    with pytest.raises(BuildError, match="went away"):
        check(Transcript(lambda _: None))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied on the socket"),
        (errno.ENOENT, "there is no such socket"),
        (errno.ECONNREFUSED, "nothing listens there"),
        (errno.EHOSTUNREACH, "No route to host"),
    ],
)
def test_why_an_engine_cannot_be_reached(number, words):
    cause = OSError(number, "No route to host")
    wrapped = requests.ConnectionError("Connection aborted.", cause)
    error = DockerException("Error while fetching server API version: Connection aborted.")
    error.__cause__ = wrapped
    assert _why(error) == words
