from __future__ import annotations

import signal

import pytest

from modelbuild_runtime.process.workers.deaths import cause_of, killed, named
from modelbuild_runtime.process.workers.flights import Flight


def root(folder, version, oom_kills):
    (folder / "proc/self").mkdir(parents=True)
    group = folder / "sys/fs/cgroup"
    if version == 2:
        (folder / "proc/self/cgroup").write_text("0::/\n")
        files = {"memory.events": f"low 0\noom 3\noom_kill {oom_kills}\n", "memory.max": f"{512 << 20}\n"}
    else:
        (folder / "proc/self/cgroup").write_text("8:memory:/\n")
        group /= "memory"
        files = {
            "memory.oom_control": f"under_oom 0\noom_kill {oom_kills}\n",
            "memory.limit_in_bytes": f"{512 << 20}\n",
        }
    group.mkdir(parents=True)
    for name, text in files.items():
        (group / name).write_text(text)
    return folder


@pytest.mark.parametrize("version", [1, 2])
def test_out_of_memory_is_told_from_other_kills(tmp_path, version):
    host = root(tmp_path, version, 2)
    assert killed(host) == 2
    text = "killed by SIGKILL (Killed)"
    assert cause_of(signal.SIGKILL, 1, host) == ("memory", f"{text}: out of memory; the container may use 512 MiB")
    assert cause_of(signal.SIGKILL, 2, host) == ("signal", text)
    assert cause_of(signal.SIGSEGV, 1, host) == ("signal", "killed by SIGSEGV (Segmentation fault)")


def test_exits_and_a_machine_without_control_groups(tmp_path):
    assert cause_of(3 << 8, 0, tmp_path) == ("exit", "exit status 3")
    assert killed(tmp_path) == 0


def test_a_line_names_so_many_requests_and_no_more():
    assert named([]) == "no request was in flight"
    assert named([Flight("a", 1, 0, False), Flight("b", 2, 0, False)]) == "in flight: a, b"
    many = named([Flight(str(at), at, 0, False) for at in range(50)])
    assert many.endswith("18, 19 and 30 more")
