"""The main job's order of things, with an engine that only remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild import packaging as job
from modelbuild.config import Options
from modelbuild.engines import Pushed
from modelbuild.errors import BuildError, EngineUnavailableError, UsageError, VerificationError
from modelbuild.host import Host
from modelbuild.image import Image
from modelbuild.progress import Silence
from modelbuild.runtime import Finding, Reading
from modelbuild.verification.verify import Verification

HOST = Host(Path("/nowhere"), "3.11", {})
IMAGE = Image("sha256:1", "linux/amd64", 10, ())
VERIFICATION = Verification(0.1, 0.2, (), generated=True, contract={"contract": {"inputs": []}})


class Engine:
    """Remembers its calls, in order."""

    name = "fake"
    reason = "because"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def build(self, plan: Any, context: Any, **_: Any) -> Image:
        self.calls.append(("build", plan.digest, context))
        return IMAGE

    def label(self, image: Image, labels: dict[str, str]) -> Image:
        self.calls.append(("label", labels))
        return replace(image, id="sha256:2")

    def tag(self, image: Image, reference: str) -> Image:
        self.calls.append(("tag", image.id, reference))
        return replace(image, reference=reference)

    def remove(self, image: Image) -> None:
        self.calls.append(("remove", image.id))

    def push(self, reference: str, **_: Any) -> Pushed:
        self.calls.append(("push", reference))
        return Pushed("sha256:d", 1, 1, 0)

    @property
    def verbs(self) -> list[str]:
        return [call[0] for call in self.calls]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    engine = Engine()
    found = Reading("pickle", findings=(Finding("review", "forest 1.0 will run what 2.0 wrote"),))
    draft = SimpleNamespace(
        plan=SimpleNamespace(digest="p"),
        context="c",
        examples=(),
        optimisation=None,
        source=SimpleNamespace(reading=found),
    )
    monkeypatch.setattr(job, "choose", lambda *_: engine)
    monkeypatch.setattr(job, "make_draft", lambda *_: draft)
    monkeypatch.setattr(job, "verify", lambda *_, **__: VERIFICATION)
    return engine


def package(**options: Any) -> job.Packaged:
    return job.package(Path("m.onnx"), Options(**{"tag": "team/m:1", **options}), HOST, Silence())


def test_the_name_comes_last(engine):
    packaged = package()
    assert engine.verbs == ["build", "label", "tag"]
    assert engine.calls[1][1]["mbuild.verified"] == "true"
    assert engine.calls[2] == ("tag", "sha256:2", "team/m:1")
    assert packaged.name == packaged.image.reference


def test_after_a_push_the_name_has_the_digest(engine):
    packaged = package(push=True)
    assert engine.verbs == ["build", "label", "tag", "push"]
    assert packaged.name.endswith("@sha256:d")
    assert packaged.to_json()["digest"] == "sha256:d"
    assert [item["what"] for item in packaged.to_json()["findings"]] == ["forest 1.0 will run what 2.0 wrote"]


def test_what_was_not_asked_says_so(engine):
    assert package(no_verify=True).verification is None
    assert engine.calls[1][1]["mbuild.verified"] == "false"


@pytest.mark.parametrize("raised", [VerificationError("wrong"), KeyboardInterrupt()])
def test_an_image_that_fails_gets_no_name_and_goes(engine, monkeypatch, raised):
    def verify(*_: Any, **__: Any) -> Verification:
        raise raised

    monkeypatch.setattr(job, "verify", verify)
    with pytest.raises(type(raised)):
        package()
    assert engine.verbs == ["build", "remove"]


def test_without_a_name_nothing_begins(engine):
    with pytest.raises(UsageError, match="no name"):
        package(tag="")
    assert engine.calls == []


def test_planning_does_without_an_engine_unless_one_was_named(monkeypatch):
    def choose(*_: Any) -> Engine:
        raise EngineUnavailableError("none")

    monkeypatch.setattr(job, "choose", choose)
    assert job.engine_or_none(Options(), HOST) is None
    with pytest.raises(EngineUnavailableError):
        job.engine_or_none(Options(engine="docker"), HOST)


def test_pushing_what_the_engine_lacks_is_refused_before_the_registry_is_asked(engine, monkeypatch):
    def inspect(_: str) -> None:
        raise BuildError("there is no such image")

    monkeypatch.setattr(engine, "inspect", inspect, raising=False)
    with pytest.raises(BuildError):
        job.push_image("team/m:1", Options(), HOST, Silence())
    assert engine.verbs == []


def test_an_image_of_somebody_else_is_not_verified(engine, monkeypatch):
    details = SimpleNamespace(labels={}, image=IMAGE)
    monkeypatch.setattr(engine, "inspect", lambda _: details, raising=False)
    with pytest.raises(VerificationError, match="python:3 was not made by mbuild"):
        job.verify_image("python:3", Options(), HOST, Silence())


@pytest.mark.parametrize("text", [f"team/m@sha256:{'a' * 64}", f"team/m:1@sha256:{'a' * 64}"])
def test_a_digest_is_no_name_to_give_or_to_push(engine, text):
    with pytest.raises(UsageError, match="by its digest") as caught:
        package(tag=text)
    assert "Leave out @sha256:aaaaaaa..." in caught.value.hint
    with pytest.raises(UsageError, match="by its digest"):
        job.push_image(text, Options(), HOST, Silence())
    assert engine.verbs == []
