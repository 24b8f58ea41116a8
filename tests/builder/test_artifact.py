from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from modelbuild import artifact as artifact_module
from modelbuild.artifact import companion, read_artifact, with_companions
from modelbuild.errors import ArtifactError


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    (place / "variables").mkdir(parents=True)
    (place / "graph.pb").write_bytes(b"graph")
    (place / "variables" / "index").write_bytes(b"")
    return place


def test_a_file_is_itself(tmp_path, cache):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"abc")
    found = read_artifact(path, cache=cache)
    assert (found.name, found.is_folder, found.size) == ("model.onnx", False, 3)
    (file,) = found.files
    assert (file.path, file.size) == ("model.onnx", 3)
    assert file.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_lists_its_files_sorted_and_relative(folder, cache):
    found = read_artifact(folder, cache=cache)
    assert found.is_folder
    assert [file.path for file in found.files] == ["graph.pb", "variables/index"]


def test_the_digest_is_over_names_and_contents_and_nothing_else(tmp_path, cache):
    first, second = tmp_path / "a", tmp_path / "b"
    for place in (first, second):
        place.mkdir()
        (place / "x").write_bytes(b"1")
        (place / "y").write_bytes(b"2")
    os.utime(second / "x", (1, 1))
    assert read_artifact(first, cache=cache).digest == read_artifact(second, cache=cache).digest
    (second / "y").rename(second / "z")
    assert read_artifact(first, cache=cache).digest != read_artifact(second, cache=cache).digest


def test_a_dot_is_the_folder_it_stands_for(folder, cache, monkeypatch):
    monkeypatch.chdir(folder)
    assert read_artifact(Path(), cache=cache).name == "model"
    assert read_artifact(Path(".."), cache=cache).name == folder.parent.name


def test_a_link_keeps_its_own_name(tmp_path, cache):
    (tmp_path / "blob").write_bytes(b"abc")
    (tmp_path / "model.onnx").symlink_to(tmp_path / "blob")
    assert read_artifact(tmp_path / "model.onnx", cache=cache).files[0].path == "model.onnx"


def test_litter_is_left_out(folder, cache):
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"x")
    assert len(read_artifact(folder, cache=cache).files) == 2


def test_links_inside_a_folder_are_followed(folder, cache):
    (folder / "latest").symlink_to("graph.pb")
    (folder / "again").symlink_to("variables")
    assert [file.path for file in read_artifact(folder, cache=cache).files] == [
        "again/index",
        "graph.pb",
        "latest",
        "variables/index",
    ]


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda place: (place / "out").symlink_to("/etc/hostname"), "outside of the folder"),
        (lambda place: (place / "gone").symlink_to("nowhere"), "broken link"),
        (lambda place: (place / "loop").symlink_to("."), "link to a folder around it"),
        (lambda place: (place / "a").symlink_to("a"), "broken link"),
        (lambda place: os.mkfifo(place / "pipe"), "neither a file nor a folder"),
        (lambda place: (place / "new\nline").write_bytes(b""), "control characters"),
        (lambda place: Path(os.fsdecode(os.fsencode(place) + b"/\xff")).touch(), "not UTF-8"),
    ],
    ids=["link-out", "broken-link", "link-up", "link-to-itself", "pipe", "newline", "not-utf8"],
)
def test_folders_that_are_no_model(folder, cache, spoil, message):
    spoil(folder)
    with pytest.raises(ArtifactError, match=message):
        read_artifact(folder, cache=cache)


def test_links_that_lead_to_each_other_end(folder, cache):
    (folder / "b").mkdir()
    (folder / "b" / "to_variables").symlink_to("../variables")
    (folder / "variables" / "to_b").symlink_to("../b")
    with pytest.raises(ArtifactError, match="link to a folder around it"):
        read_artifact(folder, cache=cache)


def test_what_is_missing_is_named_with_its_neighbours(tmp_path, cache):
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"modle\.onnx does not exist") as caught:
        read_artifact(tmp_path / "modle.onnx", cache=cache)
    assert "model.onnx" in caught.value.hint
    assert caught.value.exit_code == 10


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["file", "folder"])
def test_empty(tmp_path, cache, make):
    make(tmp_path / "model")
    with pytest.raises(ArtifactError, match="empty"):
        read_artifact(tmp_path / "model", cache=cache)


def test_special_files(tmp_path, cache):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(ArtifactError, match="neither a file nor a folder"):
            read_artifact(path, cache=cache)


def test_far_too_many_files(folder, cache, monkeypatch):
    monkeypatch.setattr(artifact_module, "MAX_FILES", 2)
    with pytest.raises(ArtifactError, match="more than 2 files"):
        read_artifact(folder, cache=cache)


def test_far_too_deep(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(artifact_module, "MAX_DEPTH", 2)
    (tmp_path / "m/a/b/c").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="deeper than 2"):
        read_artifact(tmp_path / "m", cache=cache)


def test_what_cannot_be_read_is_named(tmp_path, cache, monkeypatch):
    (tmp_path / "model").write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(artifact_module, "sha256_of", refuse)
    with pytest.raises(ArtifactError, match="model cannot be read: Permission denied"):
        read_artifact(tmp_path / "model", cache=cache)


def test_companions_join_the_file(tmp_path, cache):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights").write_bytes(b"weights")
    alone = read_artifact(tmp_path / "model.onnx", cache=cache)
    together = with_companions(alone, ["data/weights", "data/weights"])
    assert [file.path for file in together.files] == ["model.onnx", "data/weights"]
    assert together.digest != alone.digest
    assert with_companions(together, ["data/weights"]) == together


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../secret", "", "..", "a\\b", "C:weights", "a\0b", "./x", "x//y"]
)
def test_companions_never_leave_the_folder(tmp_path, cache, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "in" / "model.onnx").write_bytes(b"graph")
    alone = read_artifact(tmp_path / "in" / "model.onnx", cache=cache)
    with pytest.raises(ArtifactError, match="not a plain path"):
        with_companions(alone, [name])


def test_a_companion_may_be_no_link_out(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "in" / "weights").symlink_to("../secret")
    with pytest.raises(ArtifactError, match="a link that leaves"):
        companion(tmp_path / "in", "weights", "model.onnx")


def test_a_missing_companion_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"keeps data in 'weights\.bin', and there is no such file"):
        companion(tmp_path, "weights.bin", "model.onnx")
