"""Servers as processes: pinned to a processor, ended with their block, measured with all of their descendants."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from environment import THREADS

HERE = Path(__file__).parent
SERVERS = HERE / "servers"
_TICKS = os.sysconf("SC_CLK_TCK")


class StartError(Exception):
    """A server ended, or did not answer in time; the message is what it said last."""


@contextlib.contextmanager
def started(python: Path, command: Sequence[object], folder: Path, **variables: str) -> Iterator[int]:
    """A server of an environment on processor 0, with ``MODEL_FOLDER`` set; yields its process id."""
    told: Mapping[str, str] = {
        **os.environ,
        **THREADS,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, (SERVERS, HERE))),
        "MODEL_FOLDER": str(folder),
        **variables,
    }
    pinned = ["taskset", "-c", "0", *map(str, command)]
    with tempfile.TemporaryFile() as log:  # a pipe that nobody reads would stop it
        child = subprocess.Popen(pinned, cwd=folder, env=told, stdout=log, stderr=log, start_new_session=True)
        try:
            yield child.pid
        except StartError as error:
            log.seek(0)
            raise StartError(f"{error}: {log.read().decode(errors='replace').strip()[-800:]}") from None
        finally:
            _end(child)


def _end(child: subprocess.Popen) -> None:
    """Ask its whole session to end; insist after some seconds, and where processes outlive their parent."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def family(pid: int) -> list[int]:
    """A process and all of its descendants."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children[int(_fields(path)[1])].append(int(path.parent.name))
    found = [pid]
    for parent in found:
        found += children[parent]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU of a process and its descendants since they began."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            fields = _fields(Path(f"/proc/{member}/stat"))
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its descendants; what they share counts once."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            total += _kilobytes(Path(f"/proc/{member}"))
    return total / 1000


def ended(pid: int) -> bool:
    """Whether there is nothing left of a process but its status."""
    try:
        return _fields(Path(f"/proc/{pid}/stat"))[0] == "Z"
    except OSError:
        return True


def _kilobytes(process: Path) -> int:
    try:
        text, name = (process / "smaps_rollup").read_text(), "Pss"
    except PermissionError:  # only root sees how a container's memory is shared: then what is shared counts twice
        text, name = (process / "status").read_text(), "VmRSS"
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _fields(stat: Path) -> list[str]:
    return stat.read_text().rpartition(")")[2].split()
