"""Ports beside the main one: for clients of one system each, where only its own protocol answers, and for operators."""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import List, NamedTuple, Optional, Sequence, Tuple

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.process.discovery import names
from modelbuild_runtime.protocols import Protocol, Route, Spoken
from modelbuild_runtime.settings import Settings

MANAGEMENT = "management"
GRPC = "grpc"
HEALTH = "health"
logger = logging.getLogger(__name__)

_OPERATIONS = "operations"
_ENTRY = re.compile(r"(\d{1,5})=(\w+)")


class Listener(NamedTuple):
    """``speaks`` is a protocol's name, or ``MANAGEMENT``, or ``GRPC`` for every protocol's methods of that, or
    ``HEALTH`` for what may be asked without a key. Who asks must bear the ``token``, if there is one.
    """

    host: str
    port: int
    speaks: str
    token: str = ""


def listeners(settings: Settings) -> Tuple[Listener, ...]:
    """What is listened on beside the main port.

    Raises:
        SettingError: an entry cannot be read or names no protocol, or management has no token.
    """
    found = [_pinned(entry, settings) for entry in re.split(r"[\s,]+", settings.listeners) if entry]
    if settings.grpc_port == settings.port:
        logger.warning("no gRPC: its port %d is that of HTTP; set MBUILD_GRPC_PORT", settings.port)
    elif settings.grpc_port:
        found.append(Listener(settings.host, settings.grpc_port, GRPC))
    if settings.management_port:
        if not settings.management_token:
            raise SettingError(
                "MBUILD_MANAGEMENT_PORT is set, and MBUILD_MANAGEMENT_TOKEN is not",
                "whoever manages models runs code here: set a token, which clients then send as Authorization: Bearer",
            )
        if settings.workers > 1:
            raise SettingError(
                "MBUILD_MANAGEMENT_PORT is set, and MBUILD_WORKERS is more than 1",
                "models are loaded into one process: use one worker, or manage none",
            )
        found.append(
            Listener(settings.management_host, settings.management_port, MANAGEMENT, settings.management_token)
        )
    return tuple(found)


def router(protocols: Sequence[Spoken], speaks: str = "") -> Router:
    """The routes of one listener: of all that clients may ask, or of one protocol alone; and what operators ask. A
    protocol that is alone is made now: somebody is about to speak it.
    """
    if speaks in {"", GRPC}:
        return Router(protocols, lambda protocol: None if protocol.listener else protocol)
    if speaks == HEALTH:
        return Router(protocols, _of_health)
    operations = [one for one in protocols if one.name == _OPERATIONS and speaks != _OPERATIONS]
    if speaks == MANAGEMENT:
        others = [one for one in protocols if one.name != _OPERATIONS]
        return Router([*others, *operations], _managing)
    own = [_alone(one.made()) for one in protocols if one.name == speaks]
    return Router([*(one for one in own if not one.listener), *operations])


def _pinned(entry: str, settings: Settings) -> Listener:
    match = _ENTRY.fullmatch(entry)
    if match is None or not 0 < int(match.group(1)) < 1 << 16:
        raise SettingError(
            f"MBUILD_LISTENERS: {entry!r} is not a port and a protocol", "write 8501=tensorflow_serving,1337=clipper"
        )
    if match.group(2) not in {*names(), GRPC}:
        raise SettingError(
            f"MBUILD_LISTENERS: there is no protocol {match.group(2)!r}", f"known are {', '.join(names())}"
        )
    return Listener(settings.host, int(match.group(1)), match.group(2))


def _of_health(protocol: Protocol) -> Optional[Protocol]:
    if protocol.listener:
        return None
    return protocol._replace(routes=tuple(route for route in protocol.routes if route.public is True))


def _managing(protocol: Protocol) -> Optional[Protocol]:
    return protocol if protocol.listener == MANAGEMENT or protocol.name == _OPERATIONS else None


def _alone(protocol: Protocol) -> Protocol:
    """A protocol that shares its port with no other: its conditions told its requests from those of the others."""
    claims = Counter((route.method, route.path) for route in protocol.routes)

    def free(route: Route) -> Route:
        return route._replace(when=None) if claims[route.method, route.path] == 1 else route

    routes: List[Route] = [free(route) for route in protocol.routes]
    return protocol._replace(routes=tuple(routes))
