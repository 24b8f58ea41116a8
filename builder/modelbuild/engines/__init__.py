"""Build engines: what turns a plan and its context into an image, and runs it. One file for each.

Nothing here is imported until it is chosen: a machine with Docker never loads podman's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from modelbuild.errors import EngineUnavailableError, UsageError
from modelbuild.host import Host
from modelbuild.image import Image
from modelbuild.planning.context import Context
from modelbuild.planning.plan import BaseImage, Plan
from modelbuild.progress import Progress


class Container(Protocol):
    """A running image. It is removed, whatever happens, when the ``with`` of ``BuildEngine.run`` ends."""

    @property
    def url(self) -> str:
        """Where its server listens, as seen from here: http://127.0.0.1:49153."""

    def logs(self, lines: int = 50) -> str:
        """The tail of what it wrote to stdout and stderr."""

    def exit_code(self) -> int | None:
        """How it ended; ``None`` while it runs."""

    def probe(self) -> int | None:
        """The exit code of the image's own HEALTHCHECK, run now; ``None`` where the image has none."""

    def stop(self, timeout: float) -> int | None:
        """Send SIGTERM and wait: the exit code, or ``None`` when it had to be killed."""


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """An image as its engine describes it; ``image.reference`` is what was asked for."""

    image: Image
    labels: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pushed:
    """The digest that the registry knows the image by, and the bytes that had to be sent for it."""

    digest: str
    sent: int
    layers_sent: int
    layers_there: int


class BuildEngine(Protocol):
    """What builds, runs and pushes images. ``reason`` says why this one, for people."""

    @property
    def name(self) -> str:
        """``docker`` or ``podman``."""

    @property
    def reason(self) -> str:
        """Which engine, and how it was found: "Docker 20.10.24 (BuildKit) at unix:///var/run/docker.sock"."""

    def base(self, reference: str, platform: str, *, pull: bool, progress: Progress) -> BaseImage:
        """Look at a base image, pulled first when it is not here or ``pull`` asks for a newer one.

        Raises:
            BaseImageError: it does not exist, has no Python, or is for another platform.
        """

    def build(self, plan: Plan, context: Context, *, no_cache: bool, progress: Progress) -> Image:
        """Build without a tag. On any failure nothing is left behind.

        Raises:
            BuildError: the engine refused, failed or went away.
            NoSpaceError: its disk is full.
        """

    def run(self, image: str, *, environment: Mapping[str, str]) -> AbstractContextManager[Container]:
        """Run an image (id or reference) read-only, without capabilities, on a free loopback port."""

    def label(self, image: Image, labels: Mapping[str, str]) -> Image:
        """The same layers with further labels. The image without them is removed if it has no tag."""

    def tag(self, image: Image, reference: str) -> Image:
        """Give an image its name."""

    def remove(self, image: Image) -> None:
        """Remove an image, or only its name where it has others. One that is not there is no error."""

    def push(self, reference: str, *, progress: Progress) -> Pushed:
        """Push a tag once; ``modelbuild.registry.push.push`` adds the retries.

        Raises:
            RegistryError: the registry refused, or cannot be reached.
        """

    def inspect(self, reference: str) -> ImageDetails:
        """Describe an image that the engine has.

        Raises:
            BuildError: it has none of that name.
        """


# In the order in which they are tried.
ENGINES = {"docker": "modelbuild.engines.docker", "podman": "modelbuild.engines.podman"}

WAYS_OUT = """Any one of these will do:
- start Docker (sudo systemctl start docker, or Docker Desktop), or install it: https://docs.docker.com/engine/install
- if Docker runs but permission is denied: sudo usermod -aG docker "$USER", then log in again
- if Docker is elsewhere: set DOCKER_HOST, or choose a context with DOCKER_CONTEXT
- install podman; it needs no daemon: sudo apt-get install podman
- build on another machine: mbuild render MODEL -o FOLDER, then `docker build FOLDER` there"""


def choose(name: str, host: Host) -> BuildEngine:
    """The engine that the user named, or the first that answers.

    Raises:
        UsageError: there is no engine of that name.
        EngineUnavailableError: none answers; the details say why for each.
    """
    if name and name not in ENGINES:
        raise UsageError(f"There is no build engine {name!r}.", hint=f"Known are: {', '.join(ENGINES)}.")
    refusals = []
    for candidate in [name] if name else _candidates(host.environment):
        try:
            engine: BuildEngine = import_module(ENGINES[candidate]).connect(host)
        except EngineUnavailableError as error:
            refusals.append((candidate, error.message))
        else:
            return engine
    raise unavailable(refusals)


def _candidates(environment: Mapping[str, str]) -> Iterable[str]:
    """All, in order. Where the user says which Docker, nobody looks for the image in a podman that was not named."""
    docker_only = environment.get("DOCKER_HOST") or environment.get("DOCKER_CONTEXT")
    return ["docker"] if docker_only and not environment.get("CONTAINER_HOST") else ENGINES


def unavailable(refusals: Iterable[tuple[str, str]]) -> EngineUnavailableError:
    """One clear message out of each engine's own."""
    return EngineUnavailableError(
        "No build engine is reachable.",
        details="\n".join(f"{name}: {message}" for name, message in refusals),
        hint=WAYS_OUT,
    )
