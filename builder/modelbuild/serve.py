"""``mbuild serve``: the image's server here, without a container, from the same requirements."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from modelbuild.errors import RequirementError
from modelbuild.plan import Tree

POLL_SECONDS = 0.3


def lay_out(folder: Path, trees: Iterable[Tree]) -> Path:
    """Link the trees into ``folder`` as they would lie in the image; returns the manifest's path."""
    for tree in trees:
        for file in tree.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.source.resolve())
    return folder / "opt/mbuild/manifest.json"


def server_environment(
    root: Path, dependencies: Path, address: str, port: int, environment: Mapping[str, str]
) -> dict[str, str]:
    """The environment of the server: what the image sets, and where things lie here."""
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([str(dependencies), str(root / "opt/mbuild/server")]),
        "MBUILD_MANIFEST": str(root / "opt/mbuild/manifest.json"),
        "MBUILD_HOST": address,
        "MBUILD_PORT": str(port),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def find_interpreter(python: str) -> str:
    """An interpreter of this version on this machine.

    Raises:
        RequirementError: there is none.
    """
    import uv

    found = subprocess.run(
        [uv.find_uv_bin(), "python", "find", "--no-project", python], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RequirementError(
            f"This model needs Python {python}, and this machine has none.",
            hint=f"uv python install {python}, or run the image: mbuild package, docker run.",
        )
    return found.stdout.strip()


def stamp(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """When each file was changed last, and its size; a missing one counts as changed."""
    result = {}
    for path in paths:
        try:
            status = path.stat()
            result[path] = (status.st_mtime_ns, status.st_size)
        except OSError:
            result[path] = (0, -1)
    return result


class Server:
    """One run of the server as a child process."""

    def __init__(self, interpreter: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen([interpreter, "-m", "modelbuild_runtime", "serve"], env=dict(environment))

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self) -> int:
        """Ask it to finish, wait, and insist after a while."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


def wait_for_change(server: Server, watched: Iterable[Path]) -> bool:
    """Wait until a file changes (true) or the server ends by itself (false)."""
    paths = list(watched)
    before = stamp(paths)
    while server.exit_code is None:
        time.sleep(POLL_SECONDS)
        if stamp(paths) != before:
            return True
    return False


def wait_for_mend(watched: Iterable[Path]) -> None:
    """After the server failed to start: wait until a file changes."""
    paths = list(watched)
    before = stamp(paths)
    while stamp(paths) == before:
        time.sleep(POLL_SECONDS)


def temporary_root() -> tempfile.TemporaryDirectory[str]:
    """A folder for the links, gone when the server is."""
    return tempfile.TemporaryDirectory(prefix="mbuild-serve-")
