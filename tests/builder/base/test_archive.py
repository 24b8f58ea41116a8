"""modelbuild.base.archive: the image as a file."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from modelbuild.base.archive import Identity, full_name, layer_tar, read_image, write_image
from modelbuild.base.rootfs import file, folder, link
from modelbuild.errors import BaseImageError

IDENTITY = Identity("python:3.11-slim", "3.11.2", "bookworm", "amd64")
ROOT = {"usr/bin/python3": link("python3.11"), "tmp": folder(0o1777), "home/n": folder(0o700, owner=65532)}


def test_the_layer_depends_on_contents_only() -> None:
    with tarfile.open(fileobj=io.BytesIO(layer_tar(ROOT | {"etc/x": file("x", 0o755)}))) as archive:
        members = {member.name: member for member in archive}

    assert list(members) == ["etc", "etc/x", "home", "home/n", "tmp", "usr", "usr/bin", "usr/bin/python3"]
    assert {member.mtime for member in members.values()} == {0}
    assert {member.uname for member in members.values()} == {""}
    assert (members["home/n"].uid, members["home/n"].gid, members["etc/x"].uid) == (65532, 65532, 0)
    assert (members["tmp"].mode, members["etc/x"].mode) == (0o1777, 0o755)
    assert layer_tar(dict(reversed(ROOT.items()))) == layer_tar(ROOT)


def test_both_descriptions_point_to_the_same_blobs(tmp_path: Path) -> None:
    path = tmp_path / "base.tar"
    write_image(path, layer_tar(ROOT), IDENTITY)
    with tarfile.open(path) as archive:
        blobs = {member.name: archive.extractfile(member).read() for member in archive}

    for name, content in blobs.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    docker = json.loads(blobs["manifest.json"])[0]
    described = json.loads(blobs["index.json"])["manifests"][0]
    manifest = json.loads(blobs["blobs/sha256/" + described["digest"].removeprefix("sha256:")])
    assert docker["RepoTags"] == ["python:3.11-slim"]
    assert docker["Config"] == "blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")
    assert docker["Layers"] == ["blobs/sha256/" + manifest["layers"][0]["digest"].removeprefix("sha256:")]
    assert described["annotations"]["io.containerd.image.name"] == "docker.io/library/python:3.11-slim"


def test_the_configuration_says_which_python_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "base.tar"
    write_image(path, layer_tar(ROOT), IDENTITY)
    with tarfile.open(path) as archive:
        name = json.loads(archive.extractfile("manifest.json").read())[0]["Config"]
        config = json.loads(archive.extractfile(name).read())

    assert "PYTHON_VERSION=3.11.2" in config["config"]["Env"]
    assert any(item.startswith("PATH=/usr/local/bin:") for item in config["config"]["Env"])
    assert config["config"]["Labels"] == {"mbuild.base": "bookworm"}
    assert config["created"] == "1970-01-01T00:00:00Z"


def test_what_was_written_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "base.tar"
    write_image(path, layer_tar(ROOT), IDENTITY)

    base = read_image(path)

    assert (base.reference, base.python, base.suite) == ("python:3.11-slim", "3.11.2", "bookworm")
    assert (base.platform, base.size, base.path) == ("linux/amd64", len(layer_tar(ROOT)), path)


def test_damaged_files_are_no_bases(tmp_path: Path) -> None:
    path = tmp_path / "base.tar"
    write_image(path, layer_tar(ROOT), IDENTITY)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"x" * 2048):
        path.write_bytes(content)
        with pytest.raises(BaseImageError, match=r"base\.tar is no image of a base"):
            read_image(path)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("team/python:1", "docker.io/team/python:1"),
        ("localhost:5000/python:1", "localhost:5000/python:1"),
        ("registry.example.com/a/b:1", "registry.example.com/a/b:1"),
    ],
)
def test_names_get_their_registry(reference: str, name: str) -> None:
    assert full_name(reference) == name
