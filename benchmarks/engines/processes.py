"""Servers as processes: on processor 0, ended with their block, and how much CPU they took."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PORT = 18471
PATIENCE = 60
"""Seconds for a server to become ready."""

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
_TICKS = os.sysconf("SC_CLK_TCK")


def variables(python: Path, **more: str) -> dict[str, str]:
    """The same for all servers; their commands are found beside their interpreter."""
    path = f"{python.parent}:{os.environ['PATH']}"
    return {**os.environ, **THREADS, "PYTHONPATH": str(HERE), "PATH": path, **more}


def done(command: list, python: Path) -> None:
    """Raises RuntimeError, with the last words of a command that fails."""
    ended = subprocess.run(
        [*map(str, command)], env=variables(python), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip()[-2000:])


@contextlib.contextmanager
def started(command: list, python: Path, ready: str, **more: str) -> Iterator[int]:
    """A server, once it answers on the path ``ready``; yields its process id, which is its session's, too."""
    pinned = ["taskset", "-c", "0", *map(str, command)]
    with tempfile.TemporaryFile() as log:  # a pipe that nobody reads would stop it
        child = subprocess.Popen(pinned, env=variables(python, **more), stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(child, ready, log)
            yield child.pid
        finally:
            _end(child)


def _end(child: subprocess.Popen) -> None:
    """Ask its whole session to end; insist after some seconds, and where processes outlive their parent."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _wait(child: subprocess.Popen, path: str, log: IO[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=2):
            return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    log.seek(0)
    told = log.read().decode(errors="replace")[-2000:]
    raise RuntimeError(told if child.poll() is not None else f"not ready after {PATIENCE} seconds: {told}")


def cpu_seconds(session: int) -> float:
    """Of all processes of a session, those that have ended and were waited for included."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += sum(map(int, fields[11:15]))
    return total / _TICKS
