"""``serve``: one process that loads and serves, or a supervisor whose workers share what it loaded."""

from __future__ import annotations

import logging
import os
import resource
from dataclasses import replace
from functools import partial

from modelbuild_runtime.process.host.memory import affordable, imported, settle
from modelbuild_runtime.process.loop import Background
from modelbuild_runtime.process.models.model import load_model, open_model, prove
from modelbuild_runtime.process.ports.addresses import address, bind, bind_health, bind_more
from modelbuild_runtime.process.server import Server
from modelbuild_runtime.protocols import is_multi_model
from modelbuild_runtime.settings import PREFIX, Settings

logger = logging.getLogger(__name__)

_VALUE = 1 << 10
"""Bytes of the memory limit for each value of a body: in a record that a handler sees it takes up to 700."""


def serve(settings: Settings, threads: int) -> int:
    """Serve until told to stop. Returns the exit status."""
    imported()
    raise_file_limit()
    if settings.workers > 1 and is_multi_model(os.environ):
        logger.warning("one worker instead of %d: the models of a multi-model endpoint share it", settings.workers)
        settings = replace(settings, workers=1)
    if f"{PREFIX}MAX_ELEMENTS" not in os.environ:
        most = affordable(settings.max_elements, _VALUE, settings.workers)
        settings = replace(settings, max_elements=most)
    if settings.workers > 1:
        from modelbuild_runtime.process.workers.supervisor import supervise

        return supervise(settings, threads)
    serve_alone(settings, threads)
    return 0


def serve_alone(settings: Settings, threads: int) -> None:
    """Load in the main thread, because some frameworks and handlers insist on it, while the loop tells from another one
    that the process is alive; then serve.
    """
    server = Server(settings)
    sock = bind(settings)
    server.listen(sock, bind_more(settings), bind_health(settings))
    with Background(server.loop):
        model = load_model(settings, threads, os.environ)
        prove(model, settings)
    settle(os.environ)
    server.open(model, partial(open_model, settings=settings, threads=threads, environment=os.environ))
    logger.info("ready on %s", address(sock, settings))
    server.run()


def raise_file_limit() -> None:
    """Each connection is a file: allow as many as this process may ask for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = most if most != resource.RLIM_INFINITY else 1 << 20
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    except (OSError, ValueError):
        logger.debug("the limit of open files stays as it is")
