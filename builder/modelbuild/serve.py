"""``mbuild serve``: the image's server here, without a container, from the same requirements."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from modelbuild.config import Options, option_fields
from modelbuild.dependencies.interpreter import find_interpreter
from modelbuild.draft import Draft, make_draft
from modelbuild.errors import MbuildError, RequirementError, UsageError
from modelbuild.host import Host
from modelbuild.planning.ports import GRPC, HTTP_NAMES
from modelbuild.planning.trees import lay_out
from modelbuild.report import show_concerns
from modelbuild.terminal import Terminal

POLL_SECONDS = 0.3

Stamp = Mapping[Path, tuple[int, int]]
"""Files, with when each was changed last, and its size."""


def server_environment(
    root: Path, draft: Draft, address: str, port: int, grpc_port: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """What the image sets, with the paths that things have here."""
    image = {key: value.replace("/opt/mbuild", f"{root}/opt/mbuild") for key, value in draft.plan.environment.items()}
    # What is meant for mbuild is not for the server, and a PORT that a shell happens to set is not the one asked for.
    ours = {*HTTP_NAMES, *(f"MBUILD_{item.name.upper()}" for item in option_fields())}
    merged = {**{name: value for name, value in environment.items() if name not in ours}, **image}
    return {
        **{name: value for name, value in merged.items() if name not in HTTP_NAMES},
        "HOME": environment.get("HOME", ""),
        "MBUILD_MANIFEST": str(root / "opt/mbuild/manifest.json"),
        "MBUILD_HOST": address,
        "MBUILD_PORT": str(port),
        "MBUILD_GRPC_PORT": grpc_port,
    }


def choose_grpc_port(draft: Draft, address: str, environment: Mapping[str, str]) -> str:
    """The port for gRPC that the image or the environment sets; else the usual one, or any where that is taken."""
    asked = draft.plan.environment.get("MBUILD_GRPC_PORT") or environment.get("MBUILD_GRPC_PORT")
    if asked:
        return asked
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in (GRPC, 0):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((address, port))
                return str(probe.getsockname()[1])
    return "0"


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


def stamp(paths: Iterable[Path]) -> Stamp:
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
        # A session of its own: Ctrl-C is for mbuild, which asks the server once. A second signal would cut it short.
        # -S: what is installed beside mbuild is not in the image, and would hide a requirement that is missing there.
        command = [str(interpreter), "-S", "-m", "modelbuild_runtime", "serve"]
        self._process = subprocess.Popen(command, env=dict(environment), start_new_session=True)

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


def wait_for_change(server: Server, seen: Stamp) -> bool:
    """Wait until a file is other than it was ``seen`` (true) or the server ends by itself (false)."""
    while server.exit_code is None:
        time.sleep(POLL_SECONDS)
        if stamp(seen) != seen:
            return True
    return False


def wait_for_mend(seen: Stamp) -> None:
    """After a failure: wait until a file is other than it was ``seen``."""
    while stamp(seen) == seen:
        time.sleep(POLL_SECONDS)


def serve(
    model: Path, options: Options, host: Host, terminal: Terminal, *, address: str, port: int, reload: bool
) -> int:
    """Serve until interrupted, anew after each change of the handler or the model. Returns an exit code."""
    require_free(address, port)
    with terminal.progress() as progress:
        draft = make_draft(model, options, host, progress, engine=None)
    show_concerns(draft.source, terminal)
    seen = stamp(_watched(draft))
    while True:
        interpreter = _interpreter(draft)
        with tempfile.TemporaryDirectory(prefix="mbuild-serve-") as folder:
            lay_out(Path(folder), draft.trees)
            grpc_port = choose_grpc_port(draft, address, host.environment)
            environment = server_environment(Path(folder), draft, address, port, grpc_port, host.environment)
            grpc = "" if grpc_port == "0" else f", gRPC at {address}:{grpc_port}"
            scheme = "https" if environment.get("MBUILD_TLS_CERTIFICATE") else "http"
            terminal.note(f"serving {model.name} at {scheme}://{address}:{port}{grpc}  (Ctrl-C ends)")
            code = _run(interpreter, environment, seen if reload else {}, terminal)
        if code is not None:
            return code
        terminal.note("changed; starting anew")
        draft, seen = _changed(model, options, host, terminal, seen)


def _changed(model: Path, options: Options, host: Host, terminal: Terminal, seen: Stamp) -> tuple[Draft, Stamp]:
    """The draft after a change. Whoever edits makes mistakes: an error is shown, and waited for to be mended."""
    while True:
        seen = stamp(seen)
        try:
            with terminal.progress() as progress:
                draft = make_draft(model, options, host, progress, engine=None)
        except MbuildError as error:
            terminal.error(error)
            terminal.note("waiting for a change")
            wait_for_mend(seen)
        else:
            # What changed meanwhile is seen as changed; what is new has not been seen before.
            return draft, {**stamp(_watched(draft)), **seen}


def _interpreter(draft: Draft) -> Path:
    interpreter = find_interpreter(draft.lock.python)
    if interpreter is None:
        raise RequirementError(
            f"This model needs Python {draft.lock.python}, and this machine has none.",
            hint=f"Install it (uv python install {draft.lock.python}), or package the model and run the image.",
        )
    return interpreter


def _watched(draft: Draft) -> Iterator[Path]:
    yield from (file.source for file in draft.source.artifact.files)
    if draft.source.handler:
        yield from (file.source for file in draft.source.handler.files)


def _run(interpreter: Path, environment: Mapping[str, str], seen: Stamp, terminal: Terminal) -> int | None:
    """One run of the server: its exit code, or ``None`` when a file changed."""
    server = Server(interpreter, environment)
    try:
        if wait_for_change(server, seen):
            return None
        code = server.exit_code or 0
        if not code or not seen:
            return code
        terminal.note("the server stopped; waiting for a change")
        wait_for_mend(seen)
    except KeyboardInterrupt:
        return server.stop()
    finally:
        server.stop()
    return None
