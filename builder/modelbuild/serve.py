"""``mbuild serve``: the image's server here, without a container, from the same requirements."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from modelbuild.artifact import File
from modelbuild.config import Options
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.draft import Draft, make_draft
from modelbuild.errors import RequirementError, UsageError
from modelbuild.host import Host
from modelbuild.planning.plan import Tree
from modelbuild.terminal import Terminal

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
    root: Path, draft: Draft, address: str, port: int, environment: Mapping[str, str]
) -> dict[str, str]:
    """What the image sets, with the paths that things have here."""
    image = {key: value.replace("/opt/mbuild", f"{root}/opt/mbuild") for key, value in draft.plan.environment.items()}
    return {
        **environment,
        **image,
        "HOME": environment.get("HOME", ""),
        "MBUILD_MANIFEST": str(root / "opt/mbuild/manifest.json"),
        "MBUILD_HOST": address,
        "MBUILD_PORT": str(port),
    }


def require_free(address: str, port: int) -> None:
    """Refuse an address where nobody can listen, before time is spent.

    Raises:
        UsageError: it is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((address, port))
        except OSError as error:
            raise UsageError(
                f"Nobody can listen on {address}:{port}: {error.strerror or error}.",
                hint="Choose others with --host and --port.",
            ) from error


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

    def __init__(self, interpreter: Path, environment: Mapping[str, str]) -> None:
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


def serve(
    model: Path, options: Options, host: Host, terminal: Terminal, *, address: str, port: int, reload: bool
) -> int:
    """Serve until interrupted, anew after each change of the handler or the model. Returns an exit code."""
    require_free(address, port)
    while True:
        with terminal.progress() as progress:
            draft = make_draft(model, options, host, progress, engine=None)
        interpreter = find_interpreter(draft.lock.python)
        if interpreter is None:
            raise RequirementError(
                f"This model needs Python {draft.lock.python}, and this machine has none.",
                hint=f"Install it (uv python install {draft.lock.python}), or package the model and run the image.",
            )
        watched = [file.source for file in _watched(draft)] if reload else []
        with tempfile.TemporaryDirectory(prefix="mbuild-serve-") as folder:
            lay_out(Path(folder), draft.trees)
            environment = server_environment(Path(folder), draft, address, port, host.environment)
            terminal.note(f"serving {model.name} at http://{address}:{port}  (Ctrl-C ends)")
            code = _run(interpreter, environment, watched, terminal)
        if code is not None:
            return code
        terminal.note("changed; starting anew")


def _watched(draft: Draft) -> Iterator[File]:
    yield from draft.source.artifact.files
    if draft.source.handler:
        yield from draft.source.handler.files


def _run(interpreter: Path, environment: Mapping[str, str], watched: list[Path], terminal: Terminal) -> int | None:
    """One run of the server: its exit code, or ``None`` when a file changed."""
    server = Server(interpreter, environment)
    try:
        if wait_for_change(server, watched):
            return None
        code = server.exit_code or 0
        if not code or not watched:
            return code
        terminal.note("the server stopped; waiting for a change")
        wait_for_mend(watched)
    except KeyboardInterrupt:
        return server.stop()
    finally:
        server.stop()
    return None
