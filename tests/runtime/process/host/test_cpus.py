from __future__ import annotations

import os

import pytest

from modelbuild_runtime.process.host import cpus


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files, limit",
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/kubepods/pod1/c1\n",
                "sys/fs/cgroup/kubepods/pod1/c1/cpu.max": "max 100000",
                "sys/fs/cgroup/kubepods/pod1/cpu.max": "200000 100000",
                "sys/fs/cgroup/kubepods/cpu.max": "800000 100000",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n",
                "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({"proc/self/cgroup": "broken\n", "sys/fs/cgroup/cpu.max": "1"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0"}, None),
    ],
    ids=["none", "v2 max", "v2", "v2 nested", "v1", "v1 elsewhere", "v1 without", "broken", "no period"],
)
def test_quota_of_control_groups(tmp_path, files, limit):
    assert cpus.quota(tree(tmp_path, files)) == limit


def test_part_of_a_core_is_one_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert cpus.available(tmp_path) == 64
    tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000"})
    assert cpus.available(tmp_path) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    assert cpus.available(tmp_path) == 1


def test_libraries_are_kept_to_the_threads():
    assert cpus.thread_environment(3)["OMP_NUM_THREADS"] == "3"
    assert set(cpus.thread_environment(1).values()) == {"1"}
