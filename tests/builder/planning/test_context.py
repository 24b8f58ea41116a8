from __future__ import annotations

import errno
import io
import json
import tarfile
from dataclasses import replace

import pytest

from builder.values import LOCK, example_plan, make_tree, make_trees
from modelbuild.artifact import File
from modelbuild.errors import ArtifactError, NoSpaceError, UsageError
from modelbuild.planning import context as module
from modelbuild.planning.context import MARKER, Context
from modelbuild.planning.dockerfile import render


def make_context(folder):
    plan = example_plan(folder)
    return Context(plan, render(plan), make_trees(folder), LOCK)


@pytest.fixture
def context(tmp_path):
    return make_context(tmp_path / "sources")


def opened(context, layers=None):
    return tarfile.open(fileobj=io.BytesIO(b"".join(context.tar(layers))))


def test_each_layer_is_a_folder_of_its_name(context):
    assert list(context.files()) == [
        "Dockerfile",
        "dependencies/opt/mbuild/deps/alpha.py",
        "handler/opt/mbuild/handler/features.py",
        "manifest/opt/mbuild/manifest.json",
        "model/opt/mbuild/model/model.onnx",
        "requirements.lock",
        "server/opt/mbuild/server/modelbuild_runtime/__init__.py",
    ]


def test_the_tar_is_the_files(context):
    with opened(context) as archive:
        found = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}
    assert found["Dockerfile"] == context.dockerfile.encode()
    assert found["requirements.lock"] == LOCK.text.encode()
    assert found["model/opt/mbuild/model/model.onnx"] == b"model"
    assert list(found) == list(context.files())


def test_entries_have_no_owner_no_time_and_fixed_modes(context, tmp_path):
    tool = File("opt/tool", 0, _sha256(b""), tmp_path / "tool", executable=True)
    tool.source.touch(mode=0o600)
    tree = replace(make_tree(tmp_path, "model", {}), files=(tool,))
    with opened(replace(context, trees=(*context.trees[:2], tree))) as archive:
        entries = {entry.name: entry for entry in archive}
    assert {(entry.uid, entry.gid, entry.mtime, entry.uname) for entry in entries.values()} == {(0, 0, 0, "")}
    assert entries["model/opt"].isdir()
    assert entries["model/opt"].mode == 0o755
    assert entries["model/opt/tool"].mode == 0o755
    assert entries["Dockerfile"].mode == 0o644


def test_every_folder_comes_once_and_before_what_is_in_it(context):
    with opened(context) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    for number, name in enumerate(names):
        parent = name.rpartition("/")[0]
        assert not parent or parent in names[:number]


def test_equal_plans_give_equal_bytes(tmp_path):
    first, second = make_context(tmp_path / "1"), make_context(tmp_path / "2")
    assert b"".join(first.tar()) == b"".join(second.tar())


def test_some_layers_only(context):
    with opened(context, ("handler", "manifest")) as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {
            "Dockerfile",
            "handler",
            "manifest",
            "requirements.lock",
        }
    assert context.size(()) == len(context.dockerfile.encode()) + len(LOCK.text)
    assert context.size(("model",)) == context.size(()) + len(b"model")


def test_long_and_foreign_names(context, tmp_path):
    path = "opt/" + "long/" * 60 + "été.bin"
    tree = make_tree(tmp_path, "model", {path: b"1"})
    with opened(replace(context, trees=(tree,))) as archive:
        assert f"model/{path}" in archive.getnames()


def test_a_large_file_is_streamed(context, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 100)
    tree = make_tree(tmp_path, "model", {"opt/big": bytes(range(250)) * 4})
    pieces = list(replace(context, trees=(tree,)).tar())
    assert max(len(piece) for piece in pieces) <= 5000
    with opened(replace(context, trees=(tree,))) as archive:
        assert archive.extractfile("model/opt/big").read() == bytes(range(250)) * 4


@pytest.mark.parametrize("content", [b"mode", b"MODEL", None])
def test_a_file_that_changed_since_it_was_read_is_noticed(context, content):
    source = next(tree for tree in context.trees if tree.name == "model").files[0].source
    source.unlink() if content is None else source.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model.onnx changed while"):
        list(context.tar())


def test_a_written_context_has_fixed_times_and_modes(context, tmp_path):
    folder = tmp_path / "out"
    context.write(folder)
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    assert {name for name, path in found.items() if path.is_file()} == {*context.files(), MARKER}
    del found[MARKER]
    assert {path.stat().st_mtime_ns for path in found.values()} == {0}
    assert {path.stat().st_mode & 0o777 for path in found.values() if path.is_dir()} == {0o755}
    assert (folder / "handler/opt/mbuild/handler/features.py").read_bytes().startswith(b"def preprocess")


def test_writing_again_replaces_what_was_written(context, tmp_path):
    folder = tmp_path / "out"
    context.write(folder)
    without = replace(context, trees=tuple(tree for tree in context.trees if tree.name != "handler"))
    without.write(folder)
    assert not (folder / "handler").exists()
    assert (folder / "model").exists()


def test_a_folder_with_other_things_is_left_alone(context, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        context.write(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_file_that_the_user_added_is_kept(context, tmp_path):
    folder = tmp_path / "out"
    context.write(folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds mine\.txt, which mbuild did not write"):
        context.write(folder)
    assert (folder / "mine.txt").read_text() == "mine"
    assert (folder / "Dockerfile").exists()


def test_a_forged_marker_deletes_nothing_outside(context, tmp_path):
    folder, victim = tmp_path / "out", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("precious")
    (folder / MARKER).write_text(json.dumps(["../victim", str(victim)]))
    context.write(folder)
    assert victim.read_text() == "precious"


def test_a_link_is_not_followed(context, tmp_path):
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    context.write(folder)
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("")
    (folder / "link").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="holds link"):
        context.write(folder)
    assert (elsewhere / "precious").exists()


def test_a_path_that_is_a_file(context, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(UsageError, match="file cannot be written"):
        context.write(path)


def test_a_full_disk_says_so(context, tmp_path, monkeypatch):
    def full(path, item):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write_file", full)
    with pytest.raises(NoSpaceError):
        context.write(tmp_path / "out")


def _sha256(content):
    import hashlib

    return hashlib.sha256(content).hexdigest()
