"""Where the server in an image will listen, by its own rules: what the environment says, and else what is usual."""

from __future__ import annotations

from collections.abc import Mapping

from modelbuild.errors import UsageError

HTTP = 8080
GRPC = 8001
# In the order in which the server prefers them.
HTTP_NAMES = ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT", "PORT", "MBUILD_PORT")
GRPC_NAMES = ("MBUILD_GRPC_PORT",)


def http_port(environment: Mapping[str, str]) -> int:
    """The port of everything but gRPC.

    Raises:
        UsageError: the environment says something that is no port.
    """
    return _port(environment, HTTP_NAMES, HTTP, least=1)


def exposed(environment: Mapping[str, str]) -> tuple[int, ...]:
    """The ports that the image says it listens on; gRPC's may be 0, for none."""
    grpc = _port(environment, GRPC_NAMES, GRPC, least=0)
    return (http_port(environment), grpc) if grpc else (http_port(environment),)


def _port(environment: Mapping[str, str], names: tuple[str, ...], usual: int, *, least: int) -> int:
    name = next((name for name in names if environment.get(name)), "")
    text = environment[name] if name else str(usual)
    if not text.isdecimal() or not least <= int(text) < 65536:
        raise UsageError(f"{name} cannot be {text!r}.", hint=f"A port is a number from {least} to 65535.")
    return int(text)
