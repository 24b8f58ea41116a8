from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from modelbuild_runtime.process.host.memory import Uncollected, affordable, limit, room

FAULTS = """
import resource, sys
from modelbuild_runtime.process.host.memory import settle

def buffers():
    large = [bytearray(3 << 20) for _ in range(3)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

environment = dict([sys.argv[1].split("=")]) if sys.argv[1] else {}
settle(environment)
buffers()
before = faults()
for _ in range(10):
    buffers()
print(faults() - before)
"""
PAGES = 10 * 3 * 768  # of all buffers, if pages have 4 KiB


@pytest.mark.parametrize(
    "files, memory",
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "419430400\n"}, 400 << 20),
        (
            {
                "proc/self/cgroup": "0::/pod/c\n",
                "sys/fs/cgroup/pod/c/memory.max": "max",
                "sys/fs/cgroup/pod/memory.max": "1000",
            },
            1000,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/x\n3:cpu:/docker/x\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000\n",
            },
            2000,
        ),
    ],
)
def test_the_least_limit_of_all_groups_counts(tmp_path, files, memory):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert limit(tmp_path) == memory


def test_the_room_is_a_part_of_the_memory_and_shared_by_the_workers(tmp_path):
    assert room(1, tmp_path) == 512 << 20
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(400 << 20))
    assert (room(1, tmp_path), room(2, tmp_path)) == (100 << 20, 50 << 20)


def test_what_a_part_of_the_memory_affords(tmp_path):
    assert affordable(4_000_000, 1 << 10, 2, tmp_path) == 4_000_000
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(400 << 20))
    assert affordable(4_000_000, 1 << 10, 2, tmp_path) == 200 << 10
    assert affordable(1000, 1 << 10, 2, tmp_path) == 1000
    assert affordable(1000, 1 << 30, 2, tmp_path) == 1


def faults(setting: str = "") -> int:
    command = [sys.executable, "-c", FAULTS, setting]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_was_freed_is_there_for_the_next_request_without_asking_the_system_for_each_page():
    assert faults() < PAGES / 10


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_whoever_tunes_the_allocator_is_left_alone():
    assert faults("MALLOC_TRIM_THRESHOLD_=1000") > PAGES / 2


def test_nothing_is_collected_until_the_last_has_left():
    one, other = Uncollected(), gc.isenabled()
    with one:
        with one:
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == other
    gc.disable()
    try:
        with one:
            pass
        assert not gc.isenabled(), "it was off before"
    finally:
        gc.enable()
