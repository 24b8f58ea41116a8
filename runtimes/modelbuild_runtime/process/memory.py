"""How much memory the bodies of requests may take, a part of what the control groups leave to this process; and what
becomes of the memory that was taken at the start.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Optional

from modelbuild_runtime.process.control_groups import folders, read

_MOST = 512 << 20
_SHARE = 4
"""The part for bodies: what is read from a body takes as much again, and the model is there as well."""


def room(workers: int, root: Path = Path("/")) -> int:
    """Bytes that large bodies may take together in one of so many processes."""
    memory = limit(root)
    return _MOST if memory is None else min(_MOST, max(1, memory // _SHARE // workers))


def limit(root: Path = Path("/")) -> Optional[int]:
    """Bytes that the control groups (v2 or v1) of this process allow, None for no limit."""
    files = [folder / name for folder in folders(root, "memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return min([int(text) for text in map(str.strip, map(read, files)) if text.isdigit()], default=None)


def imported() -> None:
    """The code of the server is there, and none of it is garbage: the collector, off until now, never looks at it."""
    gc.freeze()
    gc.enable()


def settle() -> None:
    """What is loaded stays: keep the collector from walking through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
