"""Makes a span of each request that is sampled."""

from __future__ import annotations

import logging
import os
import socket
from random import Random
from typing import Callable, Dict, Mapping, Optional, Tuple

from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse
from modelbuild_runtime.settings import PREFIX
from modelbuild_runtime.trace.context import TRACEPARENT, Trace, trace_of, traced_headers
from modelbuild_runtime.trace.exporter import Exporter
from modelbuild_runtime.trace.sampling import Sampler
from modelbuild_runtime.trace.settings import read
from modelbuild_runtime.trace.span import Finished, Kind

logger = logging.getLogger(__name__)

_ERROR = 500

_LAST = 2.0
"""Seconds at the end in which what is left is sent."""


class Tracer:
    """One a process, made after it was forked: two with the same random numbers would make the same ids."""

    def __init__(self, sampler: Sampler, exporter: Exporter, scheme: str) -> None:
        self._scheme = scheme
        self._sampler = sampler
        self._exporter = exporter
        random = Random(os.urandom(16))  # noqa: S311  # ids, not secrets
        self._bits = random.getrandbits
        self.begins: Callable[[], bool] = sampler.begins(random.random)
        """Whether to make a span of the next request whose caller says no trace."""

    def begin(self, headers: Dict[bytes, bytes]) -> Tuple[Optional[Trace], Dict[bytes, bytes]]:
        """Begin a span of a request whose caller says its trace, or which ``begins`` one. Returns None where the caller
        wants none, and the header fields as the handler is to see them.
        """
        parent = trace_of(headers)
        if parent is None:
            if TRACEPARENT in headers and not self.begins():
                return None, headers  # it says nothing that can be right
            low = self._sampler.low(self._bits(64))
            ids = f"{self._bits(128) << 64 | low or 1:048x}"
            trace = Trace(ids[16:], "", ids[:16], True)
        elif self._sampler.samples(int(parent.trace_id, 16), parent):
            trace = Trace(parent.trace_id, parent.parent_id, f"{self._bits(64) or 1:016x}", True, parent.state)
        else:
            return None, headers
        return trace, traced_headers(headers, trace)

    def end(self, exchange: Exchange, trace: Trace, response: HttpResponse, seconds: float) -> None:
        """The answer to a request with a span leaves."""
        http, bound = exchange.http, exchange.bound
        if bound is not None and not bound.predicts and not trace.parent_id and response.status < _ERROR:
            return  # probes and scrapes: more often than anything else, and nobody's trace
        protocol = bound or exchange.protocol
        kind = Kind(
            http.method,
            http.path,
            bound.route.path if bound is not None else "",
            protocol.name if protocol is not None else "",
            exchange.served.name if bound is not None and bound.predicts else "",
            response.status,
            _grpc_status(response) if http.method == "GRPC" else -1,
            http.headers.get(b"user-agent", b""),
            self._scheme,
        )
        self._exporter.add(
            Finished(
                kind,
                trace,
                exchange.id,
                len(http.body),
                len(response.body),
                exchange.count,
                exchange.received,
                exchange.queued,
                exchange.ran,
                exchange.encoding,
                exchange.received + seconds,
            )
        )

    def close(self) -> None:
        """The process ends."""
        self._exporter.close(_LAST)


def make_tracer(environment: Mapping[str, str], model: str, version: str, counts: Dict[str, int]) -> Optional[Tracer]:
    """What the environment asks for; None for nothing, or nothing that works."""
    settings = read(environment)
    if settings is None:
        return None
    resource = {
        "service.name": model,
        "service.version": version,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        "telemetry.sdk.name": "mbuild",
        "telemetry.sdk.language": "python",
        **settings.resource,
    }
    try:
        exporter = Exporter(settings, resource, counts)
    except (OSError, ValueError) as error:  # certificates
        logger.warning("no traces are sent: %s", error)
        return None
    logger.info("traces are sent to %s", settings.endpoint)
    scheme = "https" if environment.get(f"{PREFIX}TLS_CERTIFICATE") else "http"
    return Tracer(settings.sampler, exporter, scheme)


def _grpc_status(response: HttpResponse) -> int:
    return next((int(value) for name, value in response.headers if name == "grpc-status"), 0)
