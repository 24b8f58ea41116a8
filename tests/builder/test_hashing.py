from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelbuild import hashing
from modelbuild.errors import ArtifactError
from modelbuild.hashing import WORTH_REMEMBERING, sha256_of


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(b"\1" * WORTH_REMEMBERING)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are really read."""
    found: list[str] = []
    digest = hashing.hashlib.file_digest

    def counted(file, kind):
        found.append(Path(file.name).name)
        return digest(file, kind)

    monkeypatch.setattr(hashing.hashlib, "file_digest", counted)
    return found


def settle(cache: Path) -> None:
    """Let the memos look as if they were written long after the file."""
    for memo in (cache / "sha256").rglob("*"):
        if memo.is_file():
            late = memo.stat().st_mtime_ns + 10 * hashing.SETTLED_NS
            os.utime(memo, ns=(late, late))


def test_a_large_file_is_read_once(large, tmp_path, reads):
    cache = tmp_path / "cache"
    first = sha256_of(large, cache)
    settle(cache)
    assert sha256_of(large, cache) == first
    assert reads == ["large"]


def test_a_changed_file_is_read_again(large, tmp_path, reads):
    cache = tmp_path / "cache"
    _, before = sha256_of(large, cache)
    settle(cache)
    large.write_bytes(b"\2" * WORTH_REMEMBERING)
    _, after = sha256_of(large, cache)
    assert after != before
    assert len(reads) == 2


def test_a_memo_as_young_as_the_file_is_not_trusted(large, tmp_path, reads):
    cache = tmp_path / "cache"
    sha256_of(large, cache)
    for memo in (path for path in (cache / "sha256").rglob("*") if path.is_file()):
        same = large.stat().st_ctime_ns
        os.utime(memo, ns=(same, same))
    sha256_of(large, cache)
    assert len(reads) == 2


def test_a_damaged_memo_is_not_trusted(large, tmp_path):
    cache = tmp_path / "cache"
    right = sha256_of(large, cache)
    for memo in (path for path in (cache / "sha256").rglob("*") if path.is_file()):
        memo.write_bytes(b"\xff not a digest")
    settle(cache)
    assert sha256_of(large, cache) == right


def test_small_files_and_no_cache_leave_no_trace(large, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"x")
    sha256_of(small, tmp_path / "cache")
    sha256_of(large)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(large, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file where a folder should be")
    assert sha256_of(large, tmp_path / "cache") == sha256_of(large)


def test_a_file_that_changes_under_the_reader_is_refused(large, monkeypatch):
    digest = hashing.hashlib.file_digest

    def slow(file, kind):
        found = digest(file, kind)
        with large.open("ab") as other:
            other.write(b"more")
        return found

    monkeypatch.setattr(hashing.hashlib, "file_digest", slow)
    with pytest.raises(ArtifactError, match="changed while it was read"):
        sha256_of(large)
