from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import replace

import pytest

from builder.values import make_tree
from modelbuild.errors import NoSpaceError
from modelbuild.planning.tree_cache import UNUSED_SECONDS, TreeCache, tree_digest


def fill(root):
    (root / "opt/bin").mkdir(parents=True)
    (root / "opt/a.py").write_text("A = 1\n")
    (root / "opt/bin/tool").write_text("#!/bin/sh\n")
    (root / "opt/bin/tool").chmod(0o700)
    return ("a note",)


def never(root):
    pytest.fail("made again")


def test_a_tree_is_made_once_with_fixed_modes_and_times(tmp_path):
    tree = TreeCache(tmp_path).get("server", ["x"], fill)
    assert [(file.path, file.executable) for file in tree.files] == [("opt/a.py", False), ("opt/bin/tool", True)]
    assert tree.notes == ("a note",)
    status = [file.source.stat() for file in tree.files]
    assert [item.st_mode & 0o777 for item in status] == [0o644, 0o755]
    assert [item.st_mtime_ns for item in status] == [0, 0]
    assert TreeCache(tmp_path).get("server", ["x"], never) == tree


def test_other_inputs_are_another_tree(tmp_path):
    TreeCache(tmp_path).get("server", ["x"], fill)
    made = []
    TreeCache(tmp_path).get("server", ["y"], lambda root: made.append(root) or fill(root))
    assert made


def test_equal_contents_have_equal_digests_in_two_caches(tmp_path):
    first = TreeCache(tmp_path / "1").get("server", ["x"], fill)
    assert TreeCache(tmp_path / "2").get("server", ["other inputs"], fill).digest == first.digest


@pytest.mark.parametrize("damage", ["edit", "shorten", "remove", "description"])
def test_a_damaged_tree_is_made_anew(tmp_path, damage):
    cache = TreeCache(tmp_path)
    tree = cache.get("server", ["x"], fill)
    source = tree.files[0].source
    if damage == "edit":
        source.write_text("A = 2\n")
    elif damage == "shorten":
        source.write_text("")
        os.utime(source, ns=(0, 0))
    elif damage == "remove":
        source.unlink()
    else:
        next((tmp_path / "trees").glob("*.json")).write_text('{"files": [[1]]}')
    assert cache.get("server", ["x"], fill) == tree
    assert source.read_text() == "A = 1\n"


def test_two_at_once_make_it_once(tmp_path):
    made, found = [], []

    def slowly(root):
        made.append(root)
        time.sleep(0.05)
        return fill(root)

    threads = [
        threading.Thread(target=lambda: found.append(TreeCache(tmp_path).get("server", ["x"], slowly)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({tree.digest for tree in found}) == 1
    assert len(found) == 3


def test_a_failure_leaves_nothing(tmp_path):
    def fail(root):
        fill(root)
        raise ValueError

    with pytest.raises(ValueError):
        TreeCache(tmp_path).get("server", ["x"], fail)
    assert list((tmp_path / "trees").iterdir()) == []


def test_what_a_killed_process_left_goes(tmp_path):
    cache = TreeCache(tmp_path)
    cache.get("server", ["x"], fill)
    key = next((tmp_path / "trees").glob("*.json")).stem
    left_over = tmp_path / "trees" / f".{key[:16]}-1"
    left_over.mkdir()
    next((tmp_path / "trees").glob("*.json")).unlink()
    cache.get("server", ["x"], fill)
    assert not left_over.exists()


def test_a_full_disk_says_so(tmp_path):
    def full(root):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoSpaceError, match="The disk is full"):
        TreeCache(tmp_path).get("server", ["x"], full)


def test_trees_that_nobody_asked_for_in_a_month_go(tmp_path):
    cache = TreeCache(tmp_path)
    old = cache.get("server", ["old"], fill)
    long_ago = time.time() - UNUSED_SECONDS - 60
    os.utime(next((tmp_path / "trees").glob("*.json")), (long_ago, long_ago))
    cache.get("server", ["new"], fill)
    assert not old.files[0].source.exists()
    assert len(list((tmp_path / "trees").glob("*.json"))) == 1


def test_asking_keeps_a_tree(tmp_path):
    cache = TreeCache(tmp_path)
    tree = cache.get("server", ["x"], fill)
    description = next((tmp_path / "trees").glob("*.json"))
    long_ago = time.time() - UNUSED_SECONDS - 60
    os.utime(description, (long_ago, long_ago))
    cache.get("server", ["x"], never)
    cache.get("server", ["other"], fill)
    assert tree.files[0].source.exists()


def test_the_digest_covers_paths_modes_and_contents(tmp_path):
    (file,) = make_tree(tmp_path, "model", {"opt/a": b"1"}).files
    changed = [replace(file, path="opt/b"), replace(file, sha256="0" * 64), replace(file, executable=True)]
    assert len({tree_digest([item]) for item in [file, *changed]}) == 4
