"""The control groups of this process, where a container's limits are found. Standard library only, since it is read
before anything else is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator


def folders(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process' control groups and of all groups that these are in: each may set a limit."""
    mount = root / "sys/fs/cgroup"
    for line in read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        base = mount / controllers if controllers else mount
        if controllers and not base.is_dir():
            base = mount / controller
        group = base / path.strip("/")
        # With a namespace of its own the path is that of the host, and the limits are at the mount itself.
        yield from (folder for folder in (group, *group.parents) if folder == base or base in folder.parents)


def read(path: Path) -> str:
    """A file of a group, empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""
