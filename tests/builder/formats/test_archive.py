from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from modelbuild.errors import ArtifactError
from modelbuild.formats import archive
from modelbuild.formats.archive import open_zip, read_member, read_member_json


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.json", '{"a": 1}')
        made.writestr("zeros", bytes(1 << 20))
        made.writestr("../../escape", "never written anywhere")
    return path


def test_members(packed):
    with open_zip(packed) as opened:
        assert read_member_json(opened, "a.json") == {"a": 1}
        assert len(read_member(opened, "zeros", 1 << 20)) == 1 << 20


def test_a_member_that_inflates_too_far(packed):
    with open_zip(packed) as opened, pytest.raises(ArtifactError, match=r"zeros in m\.zip inflates to more than"):
        read_member(opened, "zeros", (1 << 20) - 1)


def test_members_that_are_missing_or_no_json(packed):
    with open_zip(packed) as opened:
        with pytest.raises(ArtifactError, match=r"b in m\.zip cannot be read"):
            read_member(opened, "b", 10)
        with pytest.raises(ArtifactError, match=r"zeros in m\.zip is no JSON"):
            read_member_json(opened, "zeros")


@pytest.mark.parametrize("keep", [4, 100, -1])
def test_cut_off(packed, keep):
    packed.write_bytes(packed.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="its directory is missing"):
        open_zip(packed)


def test_a_corrupt_member(packed):
    data = bytearray(packed.read_bytes())
    at = data.index(b"zeros") + 10
    data[at : at + 20] = b"\xff" * 20
    packed.write_bytes(data)
    with open_zip(packed) as opened, pytest.raises(ArtifactError, match=r"zeros in m\.zip cannot be read"):
        read_member(opened, "zeros", 1 << 20)


def test_an_encrypted_member(packed):
    data = bytearray(packed.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"zeros"))
    data[at + 8] |= 1
    packed.write_bytes(data)
    with open_zip(packed) as opened, pytest.raises(ArtifactError, match="encrypted"):
        read_member(opened, "zeros", 1 << 20)


def test_a_directory_of_absurd_size(packed, monkeypatch):
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 10)
    with pytest.raises(ArtifactError, match="a directory of"):
        open_zip(packed)


def test_a_directory_elsewhere(packed):
    data = bytearray(packed.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 1 << 20)
    packed.write_bytes(data)
    with pytest.raises(ArtifactError, match="corrupt zip"):
        open_zip(packed)
