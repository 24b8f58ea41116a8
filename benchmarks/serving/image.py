"""The packaged server: images made by the command that users have, and run as containers on the host's network."""

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import workload
from environment import THREADS
from load import HOST, PORT
from processes import StartError

SETTINGS = {"MBUILD_PORT": str(PORT), "MBUILD_HOST": HOST, "MBUILD_GRPC_PORT": "0"}


def docker(*words: object) -> str:
    """What the engine's command says. Raises CalledProcessError."""
    return subprocess.run(["docker", *map(str, words)], check=True, capture_output=True, text=True).stdout.strip()


@functools.cache
def packaged(name: str, folder: Path, form: str = "", further: tuple[str, ...] = ()) -> str:
    """The image of a workload, in a form of its own where ``further`` words are told; made once a run. Returns its
    reference.
    """
    work = workload.workload(name)
    reference = f"mbuild-benchmark/{name.lower()}{form}:latest"
    command = ["package", folder / work.MODEL, "-t", reference, *work.PACKAGE, *further]
    command += ["--handler", work.HANDLER] if work.HANDLER else []
    done = subprocess.run(
        [sys.executable, "-m", "modelbuild", *map(str, command)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise StartError(f"mbuild package: {done.stderr.strip()[-800:]}")
    return reference


@contextlib.contextmanager
def created(reference: str, *command: str, **settings: str) -> Iterator[str]:
    """A container on processor 0 that exists and does not run; yields its id. ``command`` is in place of the image's
    own, and is Python's.
    """
    variables = [word for item in (THREADS | SETTINGS | settings).items() for word in ("-e", "=".join(item))]
    instead = ["--entrypoint", "python3"] if command else []
    flags = ["--network=host", "--cpuset-cpus=0", *variables, *instead]
    container = docker("create", *flags, reference, *command)
    try:
        yield container
    finally:
        docker("rm", "-f", container)


@contextlib.contextmanager
def running(reference: str, *command: str, **settings: str) -> Iterator[int]:
    """A container that runs; yields the id of its first process, as the host knows it."""
    with created(reference, *command, **settings) as container:
        docker("start", container)
        try:
            yield process(container)
        except StartError as error:
            said = subprocess.run(["docker", "logs", "--tail", "20", container], capture_output=True, check=False)
            raise StartError(f"{error}: {(said.stdout + said.stderr).decode(errors='replace')[-800:]}") from None


def process(container: str) -> int:
    """The id of a container's first process, as the host knows it."""
    return int(docker("inspect", "-f", "{{.State.Pid}}", container))


def inside(reference: str, script: Path, *words: object) -> dict:
    """Run a script by the image's own interpreter and packages; it prints one line of JSON."""
    flags = ["--rm", "--cpuset-cpus=0", "--entrypoint", "python3"]
    flags += [word for item in THREADS.items() for word in ("-e", "=".join(item))]
    return json.loads(docker("run", *flags, reference, "-c", script.read_text(), *words).splitlines()[-1])


def versions(reference: str) -> dict[str, str]:
    """What is in the image."""
    lines = json.loads(docker("inspect", "-f", '{{index .Config.Labels "mbuild.requirements"}}', reference))
    return dict(line.split("==") for line in lines)
