from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelbuild.engines import Pushed
from modelbuild.errors import RegistryError
from modelbuild.registry.push import PAUSES, is_transient, push, refusal

STREAMS = Path(__file__).parents[1] / "engines" / "streams"
REFERENCE = "registry.example:5000/team/fraud:1.0"
PUSHED = Pushed("sha256:" + "ab" * 32, 10, 1, 2)


class Quiet:
    def step(self, name, detail=""): ...
    def bytes(self, done, total): ...
    def log(self, line): ...


class Engine:
    """Fails with each message in turn, then succeeds."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.pushes = 0

    def push(self, reference, *, progress):
        self.pushes += 1
        if self.messages:
            raise refusal(self.messages.pop(0), reference, logged_in=False)
        return PUSHED


def recorded(name):
    events = [json.loads(line) for line in (STREAMS / f"{name}.jsonl").read_text().splitlines()]
    return events[-1]["errorDetail"]["message"]


@pytest.mark.parametrize(
    ("message", "what", "hint"),
    [
        (
            recorded("docker_push_no_login"),
            "wants credentials and none are stored",
            "docker login registry.example:5000",
        ),
        (recorded("docker_push_wrong_password"), "wants credentials", "docker login registry.example:5000"),
        (recorded("podman_push_no_login"), "wants credentials", "docker login"),
        (recorded("docker_push_unknown_host"), "the host registry.example is not found", "DNS"),
        (recorded("docker_push_refused"), "nothing answers at registry.example:5000", "running"),
        (recorded("docker_push_missing"), "the engine has no image", "docker images"),
        (
            "x509: certificate signed by unknown authority",
            "nobody that the engine knows",
            "certs.d/registry.example:5000/ca.crt",
        ),
        ("x509: certificate has expired or is not yet valid", "no TLS connection", "dates"),
        ("http: server gave HTTP response to HTTPS client", "plain HTTP", "insecure-registries"),
        ("denied: requested access to the resource is denied", "may not write to team/fraud", "another"),
        ("name invalid: invalid repository name", "does not accept the name team/fraud", "namespace"),
        ("received unexpected HTTP status: 502 Bad Gateway", "errors of its own", "later"),
        ("something new", "registry.example:5000 refused", "log"),
    ],
)
def test_refusals_in_plain_words(message, what, hint):
    error = refusal(message, REFERENCE, logged_in=False)
    assert error.message.startswith(f"Cannot push {REFERENCE}: ")
    assert what in error.message
    assert hint in error.hint
    assert error.details == message


def test_credentials_that_are_stored_but_wrong():
    error = refusal("unauthorized: authentication required", REFERENCE, logged_in=True)
    assert "did not accept the credentials" in error.message


def test_the_hub_needs_no_name_to_log_in():
    assert refusal("unauthorized", "team/fraud:1", logged_in=False).hint == "Log in first: docker login"


def test_what_may_pass_is_tried_again():
    engine, pauses = Engine("unexpected EOF", "received unexpected HTTP status: 503 Service Unavailable"), []
    assert push(engine, REFERENCE, progress=Quiet(), sleep=pauses.append) == PUSHED
    assert pauses == list(PAUSES[:2])


def test_patience_ends():
    engine = Engine(*["connection reset by peer"] * 10)
    with pytest.raises(RegistryError):
        push(engine, REFERENCE, progress=Quiet(), sleep=lambda _: None)
    assert engine.pushes == len(PAUSES) + 1


@pytest.mark.parametrize("message", ["denied: no", "unauthorized", "no such host", "connection refused"])
def test_what_would_fail_again_is_not_tried_again(message):
    engine = Engine(message)
    with pytest.raises(RegistryError):
        push(engine, REFERENCE, progress=Quiet(), sleep=pytest.fail)
    assert engine.pushes == 1
    assert not is_transient(message)
