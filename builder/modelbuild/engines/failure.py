"""An engine's failures in the words of ``modelbuild.errors``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from docker.errors import APIError, DockerException

from modelbuild.errors import BuildError, MbuildError, NoSpaceError

_NO_SPACE = ("no space left on device", "disk quota exceeded", "enospc")


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
