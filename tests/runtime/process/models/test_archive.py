"""Model archives: what they hold is served, and what they could do to a machine is refused."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.manifest import Manifest, Model, Runtime
from modelbuild_runtime.process.models.archive import MANIFEST, opened

PACKAGED = Manifest(Model("packaged", "1", "model/model.onnx"), Runtime("onnx", "1.2"))
GOOD = {"handler": "service.py:handle", "serializedFile": "weights.bin", "modelVersion": "2.5"}


def archive(tmp_path: Path, model: object = GOOD, **files: str) -> Path:
    path = tmp_path / "m.mar"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(MANIFEST, json.dumps({"model": model}))
        for name, text in {"service.py": "", "weights.bin": "w", **files}.items():
            made.writestr(name, text)
    return path


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where archives are unpacked."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def refused(path: Path, temporary: Path) -> str:
    with pytest.raises(LoadError) as caught:
        opened(path, "m", PACKAGED)
    assert list(temporary.iterdir()) == [], "what was unpacked is left"
    return caught.value.message


def test_what_is_served(tmp_path, temporary):
    manifest, folder = opened(archive(tmp_path, **{"data/classes.txt": "a"}), "mine", PACKAGED)
    assert folder.parent == temporary
    assert manifest.model == Model("mine", "2.5", str(folder / "weights.bin"))
    assert manifest.runtime == PACKAGED.runtime
    assert (manifest.handler.module, manifest.handler.path) == ("service:handle", str(folder))
    assert (folder / "data" / "classes.txt").read_text() == "a"


@pytest.mark.parametrize("name", ["../out", "/abs", "a/../../b", "..\\out"])
def test_a_member_outside_of_the_folder(tmp_path, temporary, name):
    assert "is not a file below its folder" in refused(archive(tmp_path, **{name: "x"}), temporary)
    assert not (tmp_path / "out").exists()


def test_a_member_without_a_name_or_with_another_one_inside(tmp_path, temporary):
    path = archive(tmp_path, nameless="x")
    data = path.read_bytes().replace(b"nameless", b"\0" * 8)
    path.write_bytes(data)
    assert "is not a file below its folder" in refused(path, temporary)
    head = data.index(b"PK\3\4")
    path.write_bytes(data[: head + 7] + b"\x08" + data[head + 8 : head + 30] + b"\xad" + data[head + 31 :])
    refused(path, temporary)


def test_a_link(tmp_path, temporary):
    path = archive(tmp_path)
    with zipfile.ZipFile(path, "a") as made:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    assert "is not a file below" in refused(path, temporary)


def test_a_bomb(tmp_path, temporary, monkeypatch):
    monkeypatch.setattr("modelbuild_runtime.process.models.archive._CHUNK", 1 << 10)
    path = tmp_path / "m.mar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", b"\0" * (1 << 20))
    assert "when unpacked" in refused(path, temporary)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"handler": "missing"}, "holds no such module"),
        ({}, "the handler ''"),
        ([1], "cannot be read"),
        ({"handler": "../service"}, "holds no such module"),
    ],
)
def test_a_manifest_that_cannot_be(tmp_path, temporary, model, said):
    assert said in refused(archive(tmp_path, model), temporary)


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: b"", lambda data: b"no zip" * 100])
def test_what_is_no_archive(tmp_path, temporary, damage):
    path = archive(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert "cannot be unpacked" in refused(path, temporary)


def test_damage_within(tmp_path, temporary):
    path = archive(tmp_path, **{"big.txt": "a" * 1000})
    data = bytearray(path.read_bytes())
    at = data.index(b"aaaa")
    data[at] ^= 1
    path.write_bytes(data)
    assert "cannot be unpacked" in refused(path, temporary)
