"""Docker, from Debian's 20.10 with its two builders to a current one, through the SDK: no CLI is needed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any

from docker.errors import APIError, NotFound

from modelbuild.engines import Container, ImageDetails, Pushed, buildah, buildkit, classic
from modelbuild.engines.base_image import find_base
from modelbuild.engines.container import running
from modelbuild.engines.details import built, describe
from modelbuild.engines.endpoint import Endpoint, docker_endpoints
from modelbuild.engines.endpoint import connect as connect_to
from modelbuild.engines.failure import engine_errors, lost_a_layer, said
from modelbuild.engines.http_build import Order, build, dockerfile_only
from modelbuild.engines.stages import Part, forget_old, longest, parts, stages
from modelbuild.engines.transcript import Builder, Transcript
from modelbuild.engines.transfer import Transfer, push_events
from modelbuild.errors import BuildError, EngineUnavailableError, RegistryError
from modelbuild.host import Host
from modelbuild.image import Image
from modelbuild.planning.context import Context
from modelbuild.planning.dockerfile import render_stage
from modelbuild.planning.plan import BaseImage, Plan
from modelbuild.progress import Progress
from modelbuild.registry.credentials import find_credentials
from modelbuild.registry.push import refusal
from modelbuild.registry.reference import parse

# The API versions since which BuildKit takes a context over plain HTTP: Docker 18.09, and 28 where the engine keeps its
# images in containerd (https://github.com/moby/moby/issues/47717). Before that the classic builder does.
_BUILDKIT_API = (1, 39)
_BUILDKIT_CONTAINERD_API = (1, 48)


def connect(host: Host) -> DockerEngine:
    """The first endpoint that answers.

    Raises:
        EngineUnavailableError: none does.
    """
    refusals = []
    for endpoint in docker_endpoints(host.environment):
        try:
            client = connect_to(endpoint)
        except EngineUnavailableError as error:
            refusals.append(error.message)
            continue
        return engine_at(client, endpoint, host)
    raise EngineUnavailableError("; ".join(refusals) or "there is no socket of it, and DOCKER_HOST is not set")


def engine_at(client: Any, endpoint: Endpoint, host: Host) -> DockerEngine:
    """The engine behind a client, whichever it is: podman answers on Docker's socket on some machines."""
    with engine_errors("asking its version"):
        version = client.version()
    podman = any("Podman" in part.get("Name", "") for part in version.get("Components") or ())
    builder: Builder = buildah if podman else _builder(client, version, host.environment)
    number = version["Version"].split("+")[0]
    reason = f"{'Podman' if podman else 'Docker'} {number} with {builder.NAME} at {endpoint.url} ({endpoint.source})"
    platform = f"{version['Os']}/{version['Arch']}"
    return DockerEngine(client, endpoint, host, builder, "podman" if podman else "docker", reason, platform)


def _builder(client: Any, version: Mapping[str, Any], environment: Mapping[str, str]) -> Builder:
    """BuildKit where it can be used. DOCKER_BUILDKIT=0 asks for the classic builder, as it does of docker's CLI."""
    if environment.get("DOCKER_BUILDKIT", "1") in {"0", "false"} or version.get("Os") != "linux":
        return classic
    with engine_errors("asking how it keeps images"):
        status = client.info().get("DriverStatus") or ()
    containerd = any("io.containerd.snapshotter" in str(entry) for entry in status)
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    return buildkit if api >= (_BUILDKIT_CONTAINERD_API if containerd else _BUILDKIT_API) else classic


@dataclass(frozen=True)
class DockerEngine:
    """An engine that speaks Docker's API."""

    client: Any
    endpoint: Endpoint
    host: Host
    builder: Builder
    name: str
    reason: str
    platform: str

    def base(self, reference: str, platform: str, *, pull: bool, progress: Progress) -> BaseImage:
        """Look at a base image, pulled first when it is not here or ``pull`` asks for a newer one."""
        return find_base(
            self.client, self.host, reference, platform, native=self.platform, pull=pull, progress=progress
        )

    def build(self, plan: Plan, context: Context, *, no_cache: bool, progress: Progress) -> Image:
        """Build without a tag, from the longest stage that is there; once more from the base if the engine lost it."""
        parts, cached = self._parts(plan, no_cache=no_cache)
        try:
            for part in parts:
                transcript = self._build_part(plan, context, part, no_cache=no_cache, progress=progress)
                cached |= transcript.cached
        except BuildError as error:
            if not lost_a_layer(error.message):
                raise
            transcript, cached = self._build_anew(plan, context, progress), set()
        if len(parts) > 1:
            forget_old(self.client)
        base = self._inspect(plan.base.reference)
        return built(self._inspect(transcript.image), base, plan, cached)

    def _parts(self, plan: Plan, *, no_cache: bool) -> tuple[list[Part], set[str]]:
        """What is still to be built, and the layers that are there."""
        found = stages(plan, self.builder.NAME)
        start = None if no_cache else longest(found, self._has)
        if start is None:
            return parts(plan, found, None), set()
        # Tagging it again marks it as used.
        with engine_errors(f"tagging {start.reference}"):
            self.client.tag(start.reference, *start.reference.split(":"))
        return parts(plan, found, start), {layer.name for layer in plan.layers[: start.count]}

    def run(self, image: str, *, environment: Mapping[str, str]) -> AbstractContextManager[Container]:
        """Run an image read-only, without capabilities, on a free loopback port."""
        return running(self.client, self.endpoint, image, environment)

    def label(self, image: Image, labels: Mapping[str, str]) -> Image:
        """The same layers with further labels: a build of one line, FROM a name of its own."""
        start = f"mbuild-label:{image.id.removeprefix('sha256:')[:40]}"
        named = self.tag(image, start)
        try:
            order = Order(dockerfile_only(f"FROM {start}\n"), labels=labels, platform=self._foreign(image.platform))
            transcript = build(self.client, self.builder, order, Silence())
        finally:
            self.remove(named)
        return replace(image, id=self._inspect(transcript.image)["Id"])

    def tag(self, image: Image, reference: str) -> Image:
        """Give an image its name."""
        target = parse(reference)
        with engine_errors(f"tagging {reference}"):
            self.client.tag(image.id, target.name, target.tag, force=True)
        return replace(image, reference=reference)

    def remove(self, image: Image) -> None:
        """Remove a name, or an image that has none. What somebody tagged stays, whoever built it again."""
        with engine_errors("removing an image"), suppress(NotFound):
            if image.reference or not self.client.inspect_image(image.id).get("RepoTags"):
                self.client.remove_image(image.reference or image.id)

    def push(self, reference: str, *, progress: Progress) -> Pushed:
        """Push a tag once."""
        target = parse(reference)
        login = find_credentials(target.registry, self.host.environment)
        transfer = Transfer(progress)
        with engine_errors(f"pushing {reference}"):
            try:
                for event in push_events(self.client, target, login):
                    transfer.feed(event)
            except APIError as error:
                transfer.error = said(error)
        if transfer.error:
            raise refusal(transfer.error, reference, logged_in=login is not None)
        if not transfer.digest:
            raise RegistryError(f"{target.registry} took {reference} but told no digest of it.")
        return transfer.pushed()

    def inspect(self, reference: str) -> ImageDetails:
        """Describe an image that the engine has."""
        with engine_errors(f"looking at {reference}"):
            try:
                return describe(self.client.inspect_image(reference), self.client.history(reference), reference)
            except NotFound:
                pass
        raise BuildError(
            f"The engine has no image {reference}.",
            hint=f"Package it under this name (-t {reference}), or fetch it: docker pull {reference}",
        )

    def _build_part(
        self,
        plan: Plan,
        context: Context,
        part: Part,
        *,
        no_cache: bool,
        progress: Progress,
    ) -> Transcript:
        """Build the layers of one part on top of the part before it."""
        names = [layer.name for layer in part.layers]
        progress.step("Building", ", ".join(names))
        dockerfile = render_stage(plan, part.start, names, final=not part.tag)
        order = Order(
            body=replace(context, dockerfile=dockerfile).tar(names),
            size=context.size(names),
            tag=part.tag,
            platform=self._foreign(plan.platform),
            no_cache=no_cache,
            arguments=proxies(self.host.environment) if plan.system_packages else {},
        )
        replaced = self._id(part.tag) if part.tag and no_cache else ""
        transcript = build(self.client, self.builder, order, progress)
        if replaced and replaced != transcript.image:
            with engine_errors("removing an old stage"), suppress(APIError):
                self.client.remove_image(replaced)
        return transcript

    def _build_anew(self, plan: Plan, context: Context, progress: Progress) -> Transcript:
        """Build all on the base at once: whatever the engine lost, this neither starts from it nor asks for it."""
        progress.step("Starting anew", "the engine lost a layer that it had kept")
        for stage in stages(plan, self.builder.NAME):
            with engine_errors("removing a stage"), suppress(APIError):
                self.client.remove_image(stage.reference)
        return self._build_part(plan, context, Part(plan.base.pinned, plan.layers), no_cache=True, progress=progress)

    def _inspect(self, reference: str) -> Any:
        with engine_errors(f"looking at {reference}"):
            return self.client.inspect_image(reference)

    def _has(self, reference: str) -> bool:
        return bool(self._id(reference))

    def _id(self, reference: str) -> str:
        """The id of an image, empty where there is none."""
        with engine_errors(f"looking for {reference}"), suppress(NotFound):
            return str(self.client.inspect_image(reference)["Id"])
        return ""

    def _foreign(self, platform: str) -> str:
        """The platform where it is not the engine's own: old engines know no other way than their own."""
        return "" if platform == self.platform else platform


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Build arguments that every builder knows beforehand, and keeps out of the image and its history."""
    names = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    return {name: environment[name] for lower in names for name in (lower, lower.upper()) if environment.get(name)}


class Silence:
    """Progress of work that takes no time."""

    def step(self, name: str, detail: str = "") -> None:
        """Nothing."""

    def bytes(self, done: int, total: int) -> None:
        """Nothing."""

    def log(self, line: str) -> None:
        """Nothing."""
