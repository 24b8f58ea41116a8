"""How much memory the bodies of requests may take, a part of what the control groups leave to this process; and what
becomes of the memory that was taken at the start, and of what requests take and give back.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from pathlib import Path
from typing import Mapping, Optional

from modelbuild_runtime.process.host.control_groups import folders, read

_MOST = 512 << 20
_SHARE = 4
"""The part for bodies: what is read from a body takes as much again, and the model is there as well."""

_KEPT = 32 << 20
_KEPT_SHARE = 16
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_TUNED = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def room(workers: int, root: Path = Path("/")) -> int:
    """Bytes that large bodies may take together in one of so many processes."""
    memory = limit(root)
    return _MOST if memory is None else min(_MOST, max(1, memory // _SHARE // workers))


def affordable(most: int, size: int, workers: int, root: Path = Path("/")) -> int:
    """How many things of so many bytes one of so many processes may have: ``most`` where nothing limits its memory."""
    memory = limit(root)
    return most if memory is None else min(most, max(1, memory // size // workers))


def limit(root: Path = Path("/")) -> Optional[int]:
    """Bytes that the control groups (v2 or v1) of this process allow, None for no limit."""
    files = [folder / name for folder in folders(root, "memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return min([int(text) for text in map(str.strip, map(read, files)) if text.isdigit()], default=None)


def imported() -> None:
    """The code of the server is there, and none of it is garbage: the collector, off until now, never looks at it."""
    gc.freeze()
    gc.enable()


def settle(environment: Mapping[str, str], root: Path = Path("/")) -> None:
    """What is loaded stays: keep the collector from walking through it again and again. What requests give back is kept
    for the next ones.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    if not any(name in environment for name in _TUNED):
        memory = limit(root)
        keep_freed(_KEPT if memory is None else min(_KEPT, memory // _KEPT_SHARE))


class Uncollected:
    """While millions of values are made of a body, or for an answer, none is garbage, and Python's collector would walk
    through them time and again: half of the time that it takes, in which no other thread runs. Several threads may be
    inside.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._collects = True

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._collects = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._collects:
                gc.enable()


uncollected = Uncollected()
"""The collector is the process's, and so is this."""


def keep_freed(size: int) -> bool:
    """Keep up to so many bytes that were freed instead of giving them back to the operating system at once: to get them
    again page by page takes longer than to read a large body into them. False where the C library cannot be told.
    """
    try:
        told = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library than glibc
        return False
    return bool(told(_M_MMAP_THRESHOLD, size // 2) and told(_M_TRIM_THRESHOLD, size))
