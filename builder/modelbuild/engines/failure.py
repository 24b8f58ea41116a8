"""An engine's failures in the words of ``modelbuild.errors``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from docker.errors import APIError, DockerException

from modelbuild.errors import BuildError, MbuildError, NoSpaceError

_NO_SPACE = ("no space left on device", "disk quota exceeded", "enospc")
# Docker's collector of garbage, which is on by default in new ones, removes what a build still needs: it goes by the
# first who lets go of a layer, not by the last. Source: moby, builder/builder-next/adapters/snapshot/leasemanager.go;
# https://github.com/moby/buildkit/issues/5469 and 6521 have its words.
_LOST = re.compile(r"failed to prepare .*(no such file or directory|does not exist)|layer does not exist")


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into a BuildError that says what was being done; "building the image"."""
    try:
        yield
    except APIError as error:
        raise refused(doing, said(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError) as error:
        raise refused(doing, str(error), gone=True) from error


def said(error: APIError) -> str:
    """What the engine answered; its status where it had no words."""
    return str(error.explanation or f"it answers with status {error.status_code} and says no more")


def lost_a_layer(message: str) -> bool:
    """A build failed for want of something that the engine itself had kept, and not for what it was sent."""
    return _LOST.search(message) is not None


def refused(doing: str, message: str, *, log: str = "", gone: bool = False) -> MbuildError:
    """The error for what an engine said; ``gone`` when it said nothing any more."""
    if any(sign in message.lower() for sign in _NO_SPACE):
        return NoSpaceError(
            f"The engine's disk is full: {message}",
            hint="`docker system df` shows what fills it; `docker image prune` and `docker builder prune` free some.",
        )
    if gone:
        return BuildError(
            f"The engine went away while {doing}.",
            details=log or message,
            hint="Is it still running? `docker info` tells; its own log says why it stopped.",
        )
    return BuildError(f"The engine failed while {doing}: {message}", details=log)
