"""A user who replaces the version that a model needs is told so."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from builder.values import RUNTIME
from modelbuild import draft as drafts
from modelbuild.config import Options
from modelbuild.dependencies.lock import Lock
from modelbuild.dependencies.overridden import overridden
from modelbuild.draft import make_draft
from modelbuild.host import this_host
from modelbuild.progress import Silence
from modelbuild.runtime import Reading


def found(version, locked, *, pin="==", artifact=()):
    reading = Reading("pickle", version=version, requirements=tuple(artifact))
    return [(item.severity, item.what) for item in overridden(replace(RUNTIME, pin=pin), reading, locked)]


@pytest.mark.parametrize(("pin", "here"), [("==", "1.4.2"), ("==", "2.0"), (">=", "1.4.2")])
def test_another_version_than_the_rule_allows(pin, here):
    severity, what = found("1.9.1", [f"forest=={here}"], pin=pin)[0]
    assert (severity, what) == ("review", f"forest {here} will run what 1.9.1 wrote")


@pytest.mark.parametrize(("pin", "here"), [("==", "1.9.1"), ("==", "1.9.1+cpu"), (">=", "2.0"), ("", "1.0")])
def test_a_version_that_the_rule_allows(pin, here):
    assert found("1.9.1", [f"forest=={here}", "joblib==1.0"], pin=pin) == []


def test_what_else_the_artifact_asks_for():
    locked = ["forest==1.9.1", "numpy==1.26.4", "Typing_Extensions==4.0", "x @ https://host/x.whl"]
    wanted = ["numpy>=2", "typing-extensions>=4.5", 'scipy<1; python_version < "3"', "x>=1"]
    assert found("1.9.1", locked, artifact=wanted) == [
        ("review", "numpy 1.26.4 is not what the model asks for"),
        ("review", "typing-extensions 4.0 is not what the model asks for"),
    ]


def test_a_draft_says_so(tmp_path, monkeypatch):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"")
    reading = Reading("pickle", version="1.9.1")
    artifact = SimpleNamespace(name="model.onnx", digest="sha256:0", files=())
    runtime = replace(RUNTIME, folder=tmp_path)
    lock = Lock("forest==1.4.2 \\\n    --hash=sha256:11\n", "3.11", "linux/amd64", "x86_64-manylinux_2_36")
    source = drafts.Source(artifact, runtime, reading, None)
    monkeypatch.setattr(drafts, "read_source", lambda *_: source)
    monkeypatch.setattr(drafts, "lock", lambda *_, **__: lock)
    monkeypatch.setattr(drafts, "_trees", lambda *_: ())
    host = replace(this_host({}), cache=tmp_path)
    made = make_draft(model, Options(requirement=("forest==1.4.2",), python="3.11"), host, Silence(), None)
    assert [item.what for item in made.source.reading.findings] == ["forest 1.4.2 will run what 1.9.1 wrote"]
