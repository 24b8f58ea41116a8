"""Why a worker died, and what died with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import List, NamedTuple

from modelbuild_runtime.process.host.control_groups import folders, read
from modelbuild_runtime.process.host.memory import limit
from modelbuild_runtime.process.workers.flights import Flight

_NAMED = 20
"""Requests that a line of the log names; a worker may have had a thousand."""
_COUNTERS = ("memory.events", "memory.oom_control")
"""Files of control groups that count what the kernel has killed for want of memory, in v2 and v1."""


class Cause(NamedTuple):
    """``word`` is one of few, for metrics; ``text`` is for people."""

    word: str
    text: str


def cause_of(status: int, killed_before: int, root: Path = Path("/")) -> Cause:
    """What ``waitpid`` and the control group say. ``killed_before`` is what ``killed`` said when the worker lived."""
    if not os.WIFSIGNALED(status):
        return Cause("exit", f"exit status {os.WEXITSTATUS(status)}")
    number = os.WTERMSIG(status)
    text = f"killed by {signal.Signals(number).name} ({signal.strsignal(number)})"
    if number != signal.SIGKILL or killed(root) <= killed_before:
        return Cause("signal", text)
    most = limit(root)
    allowed = f"; the container may use {most >> 20} MiB" if most is not None else ""
    return Cause("memory", f"{text}: out of memory{allowed}")


def killed(root: Path = Path("/")) -> int:
    """Processes of this container that the kernel has killed for want of memory."""
    counts = [0]
    for folder in folders(root, "memory"):
        for line in (line for name in _COUNTERS for line in read(folder / name).splitlines()):
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdigit():
                counts.append(int(count))
    return max(counts)


def named(flights: List[Flight]) -> str:
    """The requests that were in flight, as the end of a line."""
    if not flights:
        return "no request was in flight"
    names = ", ".join(flight.id for flight in flights[:_NAMED])
    more = f" and {len(flights) - _NAMED} more" if len(flights) > _NAMED else ""
    return f"in flight: {names}{more}"
