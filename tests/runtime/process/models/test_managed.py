"""Models that come and go while the server runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelbuild_runtime.errors import Conflict, InvalidInput, LoadError, NotFound, OutOfResources
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.managed import Models, Running, store
from modelbuild_runtime.protocols import is_multi_model
from modelbuild_runtime.settings import Settings

PACKAGED = Manifest(Model("packaged", "1", "model/model.onnx"), Runtime("onnx"))


class Server:
    """What a server lends to its models, and what became of it."""

    def __init__(self, root: Path, place: str) -> None:
        self.others: dict[str, object] = {}
        self.closed: list[str] = []
        self.changes = 0
        self.error: BaseException | None = None
        self.models = Models(PACKAGED, root, place, self.open, self.start, self.others, self.change)

    def open(self, manifest, root):
        if self.error is not None:
            raise self.error
        return manifest

    def start(self, model):
        return Running(f"serves {model.model.path}", lambda: self.closed.append(model.model.name))

    def change(self):
        self.changes += 1


@pytest.fixture
def root(tmp_path):
    (tmp_path / "image" / "model").mkdir(parents=True)
    (tmp_path / "image" / "model" / "model.onnx").write_text("packaged")
    return tmp_path / "image"


@pytest.fixture
def server(root, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "store" / name / "model").mkdir(parents=True)
        (tmp_path / "store" / name / "model" / "model.onnx").write_text(name)
    return Server(root, str(tmp_path / "store"))


def test_they_come_and_go(server, tmp_path):
    path = str(tmp_path / "store" / "a" / "model")
    assert server.models.load("a", path).location == path
    server.models.load("b", "b/model/model.onnx")
    assert [loaded.name for loaded in server.models.loaded()] == ["a", "b"]
    assert server.others["a"] == f"serves {path}/model.onnx"
    server.models.unload("a")
    assert list(server.others) == ["b"]
    assert server.closed == ["a"]
    assert server.changes == 3
    server.models.load("a", f"file://{path}")


@pytest.mark.parametrize("name", ["a", "packaged"])
def test_a_name_that_is_taken(server, name):
    server.models.load("a", "a/model")
    with pytest.raises(Conflict):
        server.models.load(name, "b/model")


@pytest.mark.parametrize("location", ["../image/model", "/etc/passwd", "c", "https://example.com/m.mar", "s3://b/m"])
def test_a_place_that_is_none(server, location):
    with pytest.raises(InvalidInput, match="in the folder for models"):
        server.models.load("c", location)


def test_a_link_out_of_the_folder(server, tmp_path):
    (tmp_path / "store" / "link").symlink_to(tmp_path / "image")
    with pytest.raises(InvalidInput, match="in the folder for models"):
        server.models.load("c", "link/model")


def test_what_cannot_stand_for_the_packaged_model(server, tmp_path):
    (tmp_path / "store" / "other").mkdir()
    (tmp_path / "store" / "other" / "model.pkl").write_text("")
    with pytest.raises(InvalidInput, match="cannot stand for the packaged artifact"):
        server.models.load("c", "other")


@pytest.mark.parametrize(("error", "told"), [(LoadError("broken"), InvalidInput), (MemoryError(), OutOfResources)])
def test_a_failure_leaves_nothing(server, error, told):
    server.error = error
    with pytest.raises(told):
        server.models.load("a", "a/model")
    assert server.models.loaded() == []
    server.error = None
    server.models.load("a", "a/model")


@pytest.mark.parametrize("name", ["a", "packaged"])
def test_one_that_is_not_loaded(server, name):
    with pytest.raises(NotFound):
        server.models.unload(name)


def test_without_a_folder(root):
    with pytest.raises(InvalidInput, match="MBUILD_MODEL_STORE"):
        Server(root, "").models.load("a", "a")


def test_who_may():
    assert store(Settings(), {}) is None
    assert store(Settings(model_store="/models"), {}) is None
    assert store(Settings(model_store="/models", management_port=8081), {}) == "/models"
    assert store(Settings(), {"SAGEMAKER_MULTI_MODEL": "True"}) == "/opt/ml/models"
    assert not is_multi_model({"SAGEMAKER_MULTI_MODEL": "false"})
