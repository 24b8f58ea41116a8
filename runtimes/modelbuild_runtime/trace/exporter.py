"""Sends spans from a thread of its own. Whoever hands them over never waits: what there is no room for is dropped, and
counted.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import gzip
import logging
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections import deque
from http.client import HTTPException
from random import Random
from time import monotonic, monotonic_ns, time_ns
from typing import Deque, Dict, List, Optional

from modelbuild_runtime.trace import otlp
from modelbuild_runtime.trace.settings import TraceSettings
from modelbuild_runtime.trace.span import Finished

logger = logging.getLogger(__name__)

_TRIES = 5
_LONGEST_WAIT = 30.0
_AGAIN = frozenset((429, 502, 503, 504))


class Exporter:
    """``counts`` are of requests whose spans were "exported", "dropped" for want of room, or "failed"."""

    def __init__(self, settings: TraceSettings, resource: Dict[str, str], counts: Dict[str, int]) -> None:
        self._settings = settings
        self._resource = otlp.resource_of(resource)
        self._counts = counts
        self._waiting: Deque[Finished] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failing = False
        self._random = Random(os.urandom(16))  # noqa: S311  # ids, not secrets
        self._context = _context(settings)
        self._thread: Optional[threading.Thread] = None

    def add(self, finished: Finished) -> None:
        """Have the spans of a request sent."""
        waiting = self._waiting
        if len(waiting) >= self._settings.max_waiting:
            self._count("dropped", 1)
            return
        waiting.append(finished)
        if self._thread is None:  # not before: a process may be forked until it serves
            self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
            self._thread.start()
        if len(waiting) == self._settings.max_batch:
            self._wake.set()

    def close(self, seconds: float) -> None:
        """Send what is left, if that does not take longer."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        due = monotonic() + self._settings.delay
        while not self._closing:
            self._wake.wait(max(0.0, due - monotonic()))
            self._wake.clear()
            if monotonic() < due:
                self._send_batches(0)
            else:
                due = monotonic() + self._settings.delay
                self._send_batches(len(self._waiting))
        self._send_batches(len(self._waiting))

    def _send_batches(self, due: int) -> None:
        """Send so many at least, and beyond them whole batches only: of a server that is asked all the time."""
        most = self._settings.max_batch
        while due > 0 or len(self._waiting) >= most:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), most))]
            due -= len(batch)
            try:
                self._send(batch)
            except Exception:  # a bug of ours must not end the thread, nor anything else
                logger.exception("traces cannot be written")
                self._count("failed", len(batch))

    def _send(self, batch: List[Finished]) -> None:
        data = otlp.export(batch, self._resource, self._random, time_ns() - monotonic_ns())
        for attempt in range(_TRIES):
            wait = self._try(data, 2.0**attempt)
            if wait is None:
                self._count("exported", len(batch))
                return
            if wait < 0 or self._closing:
                break
            self._pause(wait)
        self._count("failed", len(batch))

    def _try(self, data: bytes, patience: float) -> Optional[float]:
        """None where it was taken, else the seconds after which to try again, less than 0 where that is no use."""
        settings = self._settings
        headers = {"content-type": "application/x-protobuf", "user-agent": otlp.SCOPE, **settings.headers}
        if settings.gzip:
            data, headers["content-encoding"] = gzip.compress(data), "gzip"
        request = urllib.request.Request(settings.endpoint, data, headers)  # noqa: S310  # http or https: see settings
        try:
            with urllib.request.urlopen(request, timeout=settings.timeout, context=self._context) as response:  # noqa: S310
                response.read()
        except urllib.error.HTTPError as error:
            self._complain(f"it answered {error.code}")
            after = error.headers.get("retry-after", "")
            error.close()
            if error.code not in _AGAIN:
                return -1.0
            return min(float(after) if after.isdigit() else patience, _LONGEST_WAIT)
        except (OSError, HTTPException, ValueError) as error:
            self._complain(str(getattr(error, "reason", error)))
            return min(patience, _LONGEST_WAIT)
        if self._failing:
            self._failing = False
            logger.info("traces are sent again")
        return None

    def _pause(self, seconds: float) -> None:
        """Wait, unless the server stops."""
        due = monotonic() + seconds
        while not self._closing and monotonic() < due:
            self._wake.wait(due - monotonic())
            if not self._closing:
                self._wake.clear()

    def _complain(self, why: str) -> None:
        """Once, until it works again."""
        if not self._failing:
            self._failing = True
            logger.warning("traces cannot be sent to %s: %s", self._settings.endpoint, why)

    def _count(self, outcome: str, number: int) -> None:
        self._counts[outcome] = self._counts.get(outcome, 0) + number


def _context(settings: TraceSettings) -> Optional[ssl.SSLContext]:
    if not settings.endpoint.startswith("https"):
        return None
    context = ssl.create_default_context(cafile=settings.certificate or None)
    if settings.client_certificate:
        context.load_cert_chain(settings.client_certificate, settings.client_key or None)
    return context
