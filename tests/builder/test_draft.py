"""Names and base images: what a draft decides before anything is fetched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelbuild.config import Options
from modelbuild.draft import find_base, make_draft, model_name
from modelbuild.errors import BaseImageError, RequirementError, UsageError
from modelbuild.host import Host
from modelbuild.planning.plan import BaseImage
from modelbuild.progress import Silence
from modelbuild.runtime import Reading, builtin_runtimes

HOST = Host(Path("/nowhere"), "3.12", {})
ONNX = next(runtime for runtime in builtin_runtimes() if runtime.name == "onnx")
SOURCE: Any = SimpleNamespace(runtime=ONNX, reading=Reading("onnx"), handler=None)


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        ({}, "Fraud Model.onnx", "fraud-model"),
        ({"tag": "localhost:5000/team/fraud:1.0"}, "model.onnx", "fraud"),
        ({"name": "Exact.Name"}, "model.onnx", "Exact.Name"),
        ({}, "model.onnx", "default"),
        ({}, "é.onnx", "default"),
    ],
)
def test_the_models_name(options, name, expected):
    assert model_name(Options(**options), name) == expected


@pytest.mark.parametrize("name", ["v2", "models", "a/b", "-x", "a b"])
def test_a_name_that_cannot_be_in_a_url_or_hides_a_route_is_refused(name):
    with pytest.raises(UsageError, match=name):
        model_name(Options(name=name), "m.onnx")


class Engine:
    """Has every base image asked for, with the Python of its tag."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def base(self, reference: str, platform: str, *, pull: bool, progress: Any) -> BaseImage:
        self.asked.append((reference, pull))
        python = reference.partition(":")[2].partition("-")[0]
        return BaseImage(reference, "sha256:d", "sha256:i", platform, python, "glibc 2.36")


def base(engine: Any, **options: Any) -> BaseImage:
    return find_base(SOURCE, Options(**options), HOST, Silence(), engine)


def test_the_default_is_the_slim_image_of_the_hosts_python():
    engine = Engine()
    assert base(engine).reference == "python:3.12-slim"
    assert engine.asked == [("python:3.12-slim", False)]


def test_the_python_asked_for_names_the_default():
    assert base(Engine(), python="3.10", pull=True).python == "3.10"


def test_the_users_base_decides_the_python():
    engine = Engine()
    assert base(engine, base="mine:3.13-x").python == "3.13"
    assert engine.asked == [("mine:3.13-x", False)]


def test_a_base_with_another_python_than_was_asked_for_is_refused():
    with pytest.raises(BaseImageError, match=r"Python 3\.13, and Python 3\.11"):
        base(Engine(), base="mine:3.13", python="3.11")


def test_a_base_with_a_python_that_the_runtime_does_not_take_is_refused():
    with pytest.raises(RequirementError, match=r"3\.8"):
        base(Engine(), base="mine:3.8")


def test_a_platform_that_cannot_be_is_refused_before_anybody_is_asked():
    engine: Any = Engine()
    with pytest.raises(RequirementError, match="'windows/amd64' cannot be made"):
        make_draft(Path("model.onnx"), Options(platform="windows/amd64"), HOST, Silence(), engine)
    assert engine.asked == []


def test_without_an_engine_the_base_is_unpinned():
    found = base(None)
    assert (found.reference, found.digest, found.python) == ("python:3.12-slim", "", "3.12")
    assert found.pinned == "python:3.12-slim"
