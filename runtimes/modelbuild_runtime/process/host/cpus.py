"""How many cores this process may use: the least of the affinity mask and the quotas of its control groups.

A container that is limited to one core on a machine with 64 must not start 64 threads: they would be throttled
together. Standard library only, since it runs before anything that reads thread variables is imported.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Dict, Optional

from modelbuild_runtime.process.host.control_groups import folders, read

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Read by numerical libraries once, when they are imported."""


def available(root: Path = Path("/")) -> int:
    """Whole cores, at least 1. ``root`` is where /proc and /sys are found."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = quota(root)
    return cores if limit is None else max(1, min(cores, math.ceil(limit)))


def quota(root: Path = Path("/")) -> Optional[float]:
    """Cores that the control groups (v2 or v1) of this process allow, None for no limit."""
    limits = [limit for folder in folders(root, "cpu") for limit in (_quota_v2(folder), _quota_v1(folder)) if limit]
    return min(limits, default=None)


def thread_environment(threads: int) -> Dict[str, str]:
    """Variables that keep numerical libraries to so many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def _quota_v2(folder: Path) -> Optional[float]:
    limit, _, period = read(folder / "cpu.max").strip().partition(" ")
    return int(limit) / int(period) if limit.isdigit() and period.isdigit() and int(period) else None


def _quota_v1(folder: Path) -> Optional[float]:
    limit, period = read(folder / "cpu.cfs_quota_us").strip(), read(folder / "cpu.cfs_period_us").strip()
    return int(limit) / int(period) if limit.isdigit() and period.isdigit() and int(period) else None
