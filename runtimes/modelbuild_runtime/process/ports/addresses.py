"""Binds the addresses that a server listens on, or says why that cannot be."""

from __future__ import annotations

import errno
import socket
import sys
from typing import List, Optional, Tuple

from modelbuild_runtime.errors import LoadError
from modelbuild_runtime.process.ports.listeners import GRPC, MANAGEMENT, Listener, listeners
from modelbuild_runtime.settings import Settings

_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)


def bind(settings: Settings, *, shared: bool = False) -> socket.socket:
    """The main address; ``shared`` among the workers."""
    return _bind(settings.host, settings.port, "set MBUILD_PORT", "set MBUILD_HOST", shared=shared)


def bind_health(settings: Settings) -> Optional[socket.socket]:
    """Where the image's health check asks when the ports speak TLS, for which it may have no certificate to show: a
    name that only processes in the same network namespace can reach (unix(7), abstract sockets). ``health.py`` makes
    the same name.
    """
    if not settings.tls_certificate or not sys.platform.startswith("linux"):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(f"\0mbuild-health:{settings.host}:{settings.port}")
    except OSError as error:
        sock.close()
        raise LoadError(f"cannot listen for the image's health check: {error.strerror}") from error
    sock.setblocking(False)
    return sock


def bind_more(settings: Settings, *, shared: bool = False) -> List[Tuple[Listener, socket.socket]]:
    """The addresses beside the main one."""
    found = []
    for listener in listeners(settings):
        names = ("MANAGEMENT_PORT", "MANAGEMENT_HOST") if listener.speaks == MANAGEMENT else ("LISTENERS", "HOST")
        if listener.speaks == GRPC and listener.port == settings.grpc_port:
            names = ("GRPC_PORT (0 for no gRPC)", "HOST")
        hints = [f"set MBUILD_{name}" for name in names]
        found.append((listener, _bind(listener.host, listener.port, *hints, shared=shared)))
    return found


def beside(sock: socket.socket) -> socket.socket:
    """Another socket at the address of one that is shared."""
    host, port = sock.getsockname()[:2]
    return _bind(host, port, "set MBUILD_PORT", "set MBUILD_HOST", shared=True)


def address(sock: socket.socket, settings: Settings) -> str:
    """Where the server listens, as a URL."""
    scheme = "https" if settings.tls_certificate else "http"
    host, port = sock.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _bind(host: str, port: int, of_the_port: str, of_the_host: str, *, shared: bool) -> socket.socket:
    """A listening address, IPv4 or IPv6 by the form of the host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except (OSError, ValueError, TypeError) as error:
        sock.close()
        why = getattr(error, "strerror", None) or "it is no address"
        hint = of_the_port if getattr(error, "errno", 0) in _OF_THE_PORT else of_the_host
        raise LoadError(f"cannot listen on {host!a}, port {port}: {why}", hint) from error
    sock.setblocking(False)
    return sock
