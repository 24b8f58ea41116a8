"""Podman, through its Docker-compatible API: the service that runs, or one of our own for as long as mbuild does."""

from __future__ import annotations

import atexit
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from modelbuild.engines.docker import DockerEngine, engine_at
from modelbuild.engines.endpoint import Endpoint
from modelbuild.engines.endpoint import connect as connect_to
from modelbuild.errors import EngineUnavailableError
from modelbuild.host import Host

# A service that we could not end, because mbuild was killed, ends by itself after this many idle seconds.
_IDLE = 900
_START = 15.0


def connect(host: Host) -> DockerEngine:
    """A service that answers, or one started from the ``podman`` on PATH.

    Raises:
        EngineUnavailableError: there is neither.
    """
    refusals = []
    for endpoint in podman_endpoints(host.environment):
        try:
            return engine_at(connect_to(endpoint), endpoint, host)
        except EngineUnavailableError as error:
            refusals.append(error.message)
    program = shutil.which("podman", path=host.environment.get("PATH"))
    if program is None or host.environment.get("CONTAINER_HOST"):
        raise EngineUnavailableError("; ".join(refusals) or "not installed, and no service of it runs")
    endpoint = _start_service(program, host.environment)
    return engine_at(connect_to(endpoint), endpoint, host)


def podman_endpoints(environment: Mapping[str, str]) -> Iterator[Endpoint]:
    """Where services listen. One that the user named is the only one."""
    if environment.get("CONTAINER_HOST"):
        yield Endpoint(environment["CONTAINER_HOST"], "CONTAINER_HOST")
        return
    runtime = environment.get("XDG_RUNTIME_DIR")
    for path in [Path(runtime) / "podman/podman.sock"] if runtime else []:
        if path.exists():
            yield Endpoint(f"unix://{path}", "the user's service")
    if Path("/run/podman/podman.sock").exists():
        yield Endpoint("unix:///run/podman/podman.sock", "the system's service")
    yield from _machine()


def _machine() -> Iterator[Endpoint]:
    """The virtual machine that podman needs where there is no Linux."""
    if platform.system() == "Linux" or not shutil.which("podman"):
        return
    command = ["podman", "machine", "inspect", "--format", "{{.ConnectionInfo.PodmanSocket.Path}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    yield from (Endpoint(f"unix://{path}", "podman machine") for path in found)


def _start_service(program: str, environment: Mapping[str, str]) -> Endpoint:
    folder = Path(tempfile.mkdtemp(prefix="mbuild-podman-"))
    socket, log = folder / "podman.sock", folder / "log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            [program, "system", "service", "--time", str(_IDLE), f"unix://{socket}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            start_new_session=True,  # an interrupt is for mbuild, which still needs the service to clean up
        )
    atexit.register(_stop_service, service, folder)
    deadline = time.monotonic() + _START
    while not socket.exists():
        if service.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
            raise EngineUnavailableError(f"`podman system service` does not start: {said}")
        time.sleep(0.02)
    return Endpoint(f"unix://{socket}", "a service started for this run")


def _stop_service(service: subprocess.Popen[bytes], folder: Path) -> None:
    service.terminate()
    try:
        service.wait(5)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()
    shutil.rmtree(folder, ignore_errors=True)
