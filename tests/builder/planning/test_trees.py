from __future__ import annotations

import sys

import pytest

from builder.values import make_artifact, make_handler, write_file
from modelbuild.errors import UsageError
from modelbuild.planning import trees
from modelbuild.planning.trees import handler_tree, manifest_tree, model_path, model_trees, server_source, server_tree
from modelbuild.runtime import SERVER_PACKAGE

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A server's package of a few files."""
    folder = tmp_path / "package"
    for path in (
        "__init__.py",
        "app.py",
        "py.typed",
        "requirements.txt",
        "__pycache__/app.cpython-311.pyc",
        "protocols/rest.py",
        "static/page.html",
        "engines/__init__.py",
        "engines/shared.py",
        "engines/forest/engine.py",
        "engines/forest/helpers/trees.py",
        "engines/forest/reader.py",
        "engines/forest/prepare.py",
        "engines/forest/optimise.py",
        "engines/forest/optimise_trees.py",
        "engines/forest/sample.py",
        "engines/forest/runtime.toml",
        "engines/forest/README.md",
        "engines/forest/golden.Dockerfile",
        "engines/forest/goldens/plan.json",
        "engines/desert/engine.py",
        "optimising/trial.py",
    ):
        write_file(folder, path, b"")
    monkeypatch.setattr(trees, "server_source", lambda: folder)
    return folder


def test_the_server_has_one_engine_and_nothing_of_the_builder(package, tmp_path):
    tree = server_tree(package / "engines/forest", name="forest", python=HERE, cache=tmp_path / "cache")
    root = f"opt/mbuild/server/{SERVER_PACKAGE}/"
    assert all(file.path.startswith(root) for file in tree.files)
    shipped = {file.path.removeprefix(root) for file in tree.files if not file.path.endswith(".pyc")}
    assert shipped == {
        "__init__.py",
        "app.py",
        "protocols/rest.py",
        "static/page.html",
        "engines/__init__.py",
        "engines/shared.py",
        "engines/forest/engine.py",
        "engines/forest/helpers/trees.py",
    }
    compiled = [file for file in tree.files if file.path.endswith(".pyc")]
    assert len(compiled) == len([path for path in shipped if path.endswith(".py")])


def test_a_third_partys_engine_takes_its_place(package, tmp_path):
    write_file(tmp_path / "mine", "engine.py", b"MINE = 1\n")
    write_file(tmp_path / "mine", "runtime.toml", b"")
    tree = server_tree(tmp_path / "mine", name="ocean", python=HERE, cache=tmp_path / "cache")
    paths = {file.path for file in tree.files if "/engines/ocean/" in file.path and file.path.endswith(".py")}
    assert paths == {f"opt/mbuild/server/{SERVER_PACKAGE}/engines/ocean/engine.py"}
    assert not any("forest" in file.path for file in tree.files)


def test_a_runtimes_name_is_a_modules(package, tmp_path):
    with pytest.raises(UsageError, match=r"'\.\./up'"):
        server_tree(tmp_path, name="../up", python=HERE, cache=tmp_path / "cache")


def test_an_edit_of_the_server_is_another_tree(package, tmp_path):
    first = server_tree(package / "engines/forest", name="forest", python=HERE, cache=tmp_path / "cache")
    (package / "app.py").write_text("X = 1\n")
    second = server_tree(package / "engines/forest", name="forest", python=HERE, cache=tmp_path / "cache")
    assert first.digest != second.digest


def test_the_servers_package_is_found_without_importing_it():
    assert (server_source() / "engines").is_dir()


def test_a_model_file_lies_beside_its_companions(tmp_path):
    artifact = make_artifact(tmp_path, {"m.onnx": b"a", "data/w.bin": b"b"}, name="m.onnx", is_folder=False)
    (tree,) = model_trees(artifact)
    assert [file.path for file in tree.files] == ["opt/mbuild/model/data/w.bin", "opt/mbuild/model/m.onnx"]
    assert model_path(artifact) == "model/m.onnx"


def test_a_model_folder_keeps_its_name(tmp_path):
    artifact = make_artifact(tmp_path, {"a/b": b"1", "c": b"2"}, name="saved", is_folder=True)
    (tree,) = model_trees(artifact)
    assert [file.path for file in tree.files] == ["opt/mbuild/model/saved/a/b", "opt/mbuild/model/saved/c"]
    assert model_path(artifact) == "model/saved"


def test_each_large_file_has_a_layer_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "LARGE", 4)
    artifact = make_artifact(tmp_path, {"big": b"12345", "huge": b"1234567", "small": b"1"}, name="m", is_folder=True)
    found = [(tree.name, [file.path.rpartition("/")[2] for file in tree.files]) for tree in model_trees(artifact)]
    assert found == [("model", ["small"]), ("model-2", ["big"]), ("model-3", ["huge"])]


def test_a_single_large_file_is_the_model_layer(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "LARGE", 4)
    artifact = make_artifact(tmp_path, {"m": b"12345"}, name="m", is_folder=False)
    assert [tree.name for tree in model_trees(artifact)] == ["model"]


def test_there_are_never_more_layers_than_an_image_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "LARGE", 1)
    monkeypatch.setattr(trees, "MAX_LARGE_LAYERS", 3)
    contents = {f"part-{number}": b"x" for number in range(8)}
    found = model_trees(make_artifact(tmp_path, contents, name="m", is_folder=True))
    assert [len(tree.files) for tree in found] == [3, 3, 2]


def test_the_handlers_files_keep_their_bits(tmp_path):
    files = (write_file(tmp_path, "features.py", b""), write_file(tmp_path, "tool", b"", executable=True))
    tree = handler_tree(make_handler(files=files))
    assert [(file.path, file.executable) for file in tree.files] == [
        ("opt/mbuild/handler/features.py", False),
        ("opt/mbuild/handler/tool", True),
    ]


def test_the_manifest_is_a_file_of_the_cache(tmp_path):
    tree = manifest_tree('{"é":1}'.encode(), cache=tmp_path)
    (file,) = tree.files
    assert file.path == "opt/mbuild/manifest.json"
    assert file.source.read_bytes() == '{"é":1}'.encode()
    assert manifest_tree(b"{}", cache=tmp_path).digest != tree.digest
