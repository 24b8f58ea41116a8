"""Where a Docker-compatible engine listens: DOCKER_HOST, the current context, or a well-known socket."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.tls import TLSConfig

from modelbuild.errors import EngineUnavailableError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``source`` says who named it; ``tls`` is the SDK's."""

    url: str
    source: str
    tls: Any = None

    @property
    def host(self) -> str:
        """The machine it is on as seen from here; empty for this one."""
        parts = urlsplit(self.url)
        return parts.hostname or "" if parts.scheme in {"tcp", "http", "https", "ssh"} else ""


def docker_endpoints(environment: Mapping[str, str]) -> Iterator[Endpoint]:
    """The endpoints to try, in order. One that the user named is the only one."""
    if environment.get("DOCKER_HOST"):
        yield Endpoint(environment["DOCKER_HOST"], "DOCKER_HOST", _tls(environment))
        return
    context = _context(environment)
    if context is not None:
        yield context
        return
    for path in _sockets(environment):
        if path.exists():
            yield Endpoint(f"unix://{path}", "the default socket")


def connect(endpoint: Endpoint) -> Any:
    """A client of the SDK that speaks the engine's own version of the API.

    Raises:
        EngineUnavailableError: nothing answers there, in words that say why.
    """
    try:
        # 600 seconds: inspecting or removing a large image on a busy disk takes long; builds have no limit.
        client = docker.APIClient(
            base_url=endpoint.url, version="auto", timeout=600, tls=endpoint.tls or False, use_ssh_client=True
        )
        client.ping()
    except (DockerException, OSError, ValueError) as error:
        raise EngineUnavailableError(f"{endpoint.url} ({endpoint.source}): {_why(error)}") from error
    return client


def _tls(environment: Mapping[str, str]) -> Any:
    if not environment.get("DOCKER_TLS_VERIFY"):
        return None
    folder = Path(environment.get("DOCKER_CERT_PATH") or Path(environment.get("HOME", "~")).expanduser() / ".docker")
    return TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True
    )


def _context(environment: Mapping[str, str]) -> Endpoint | None:
    name = environment.get("DOCKER_CONTEXT") or None
    try:
        context: Any = ContextAPI.get_context(name)  # the stubs say it is always there
    except Exception as error:  # the SDK raises bare Exception for a damaged file
        raise EngineUnavailableError(f"The Docker context {name or 'in use'} cannot be read: {error}") from error
    if context is None and name is not None:
        raise EngineUnavailableError(f"There is no Docker context {name!r} (DOCKER_CONTEXT).")
    if context is None or context.Name == "default" or not context.Host:
        return None
    return Endpoint(context.Host, f"the Docker context {context.Name!r}", context.TLSConfig)


def _sockets(environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path("/var/run/docker.sock")
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"]) / "docker.sock"
    home = Path(environment.get("HOME", "~")).expanduser()
    yield home / ".docker/run/docker.sock"
    yield home / ".docker/desktop/docker.sock"


def _why(error: BaseException) -> str:
    """The cause at the bottom of the chain, in words."""
    seen: BaseException | None = error
    text = str(error)
    while seen is not None:
        reason = _os_error(seen) or _os_error(seen.args[-1] if seen.args else None)
        if reason:
            return reason
        seen = seen.__cause__ or seen.__context__
    return text.split("Caused by", 1)[-1].strip(" (')\"") or type(error).__name__


def _os_error(error: Any) -> str:
    # An exception of requests is an OSError too, with anything in the place of its number.
    if not isinstance(error, OSError) or not isinstance(error.errno, int):
        return ""
    return {
        errno.EACCES: "permission denied on the socket",
        errno.ENOENT: "there is no such socket",
        errno.ECONNREFUSED: "nothing listens there",
    }.get(error.errno, error.strerror or "")
