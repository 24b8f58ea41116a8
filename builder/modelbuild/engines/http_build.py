"""One build through ``POST /build``: sends a context, reads the builder's events, leaves nothing behind on failure."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from docker.errors import APIError, DockerException, NotFound

from modelbuild.engines.failure import engine_errors, refused
from modelbuild.engines.transcript import Builder, Transcript
from modelbuild.errors import BuildError
from modelbuild.progress import Progress

# How long to wait for a cancelled build to let go of its last image. Docker does at once; podman ends the
# instruction that it is at first, which is a copy, or at worst the installation of system packages.
_LET_GO = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What one build is to do. ``size`` is about how many bytes ``body`` has, for the bar."""

    body: Iterable[bytes]
    size: int = 0
    tag: str = ""
    platform: str = ""
    no_cache: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def build(client: Any, builder: Builder, order: Order, progress: Progress) -> Transcript:
    """Build, and return what happened; ``Transcript.image`` is the image's id.

    Raises:
        BuildError: the engine refused, failed or went away.
        NoSpaceError: its disk is full.
    """
    transcript = Transcript(progress.log)
    try:
        with engine_errors("building the image"):
            for event in _events(client, builder, order, progress):
                builder.feed(transcript, event)
        check(transcript)
    except BaseException:
        _forget(client, transcript)
        raise
    return transcript


def check(transcript: Transcript) -> None:
    """Raise the error of a build that came to nothing; the log's tail says more."""
    log = "\n".join(transcript.tail)
    if transcript.error:
        error = refused("building the image", transcript.error, log=log)
        if isinstance(error, BuildError) and transcript.failed_step:
            raise BuildError(f"The build failed at {transcript.failed_step!r}: {transcript.error}", details=log)
        raise error
    if not transcript.image:
        raise refused("building the image", "its answer ended early", log=log, gone=True)


def dockerfile_only(text: str) -> list[bytes]:
    """A context of nothing but a Dockerfile."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
    return [body.getvalue()]


def _events(client: Any, builder: Builder, order: Order, progress: Progress) -> Iterator[Mapping[str, Any]]:
    """The SDK's own ``build`` knows no BuildKit, so this speaks to the endpoint that it would use."""
    response = client._post(  # noqa: SLF001
        client._url("/build"),  # noqa: SLF001
        params=_parameters(builder, order),
        data=_counted(order, progress),
        headers={"Content-Type": "application/x-tar"},
        stream=True,
        timeout=None,  # a step may be silent for as long as it takes
    )
    client._raise_for_status(response)  # noqa: SLF001
    try:
        yield from client._stream_helper(response, decode=True)  # noqa: SLF001
    finally:
        # Closing the connection is what cancels a build that was interrupted.
        response.close()


def _parameters(builder: Builder, order: Order) -> dict[str, str]:
    parameters = {
        "version": builder.VERSION,
        "dockerfile": "Dockerfile",
        "nocache": str(int(order.no_cache)),
        # Containers of the classic builder go, also after a failure.
        "rm": "1",
        "forcerm": "1",
        "buildargs": json.dumps(dict(order.arguments)),
        # Not as instructions: no quoting, no limit to the length of a line.
        "labels": json.dumps(dict(order.labels)),
        **builder.PARAMETERS,
    }
    if order.tag:
        parameters["t"] = order.tag
    if order.platform:
        parameters["platform"] = order.platform
    return parameters


def _counted(order: Order, progress: Progress) -> Iterator[bytes]:
    done = 0
    for chunk in order.body:
        yield chunk
        done += len(chunk)
        progress.bytes(min(done, order.size), order.size)


def _forget(client: Any, transcript: Transcript) -> None:
    """Remove what the classic builder leaves of a failed build: its last image, and by that the ones below it."""
    deadline = time.monotonic() + _LET_GO
    while transcript.intermediate and time.monotonic() < deadline:
        try:
            client.remove_image(transcript.intermediate[-1])
        except NotFound:
            return
        except APIError:
            time.sleep(0.2)  # its container is still being stopped
        except (DockerException, requests.RequestException):
            return  # the engine is gone, which is what is being reported already
        else:
            return
