from __future__ import annotations

import pytest

from modelbuild_runtime.process.memory import limit, room


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
