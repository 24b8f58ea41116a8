"""A server that is still loading: alive, and nothing else."""

from __future__ import annotations

from modelbuild_runtime.dataplane.job import Job
from modelbuild_runtime.errors import NotReady, ServerError
from modelbuild_runtime.grpc.status import grpc_error
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.http.served import Served


def closed_router() -> Router:
    """Its routes."""
    from modelbuild_runtime.grpc import loading
    from modelbuild_runtime.protocols import Protocol, Route

    routes = (Route("GET", "/health/live", _alive, public=True), *loading.routes())
    return Router((Protocol("", "loading", routes, _told),))


def nothing_served(router: Router) -> Served:
    """In place of a model."""
    return Served(router, _refuse, _refuse, _refuse, _refuse)


def _alive(_http: HttpRequest) -> HttpResponse:
    return HttpResponse(200, b'{"status":"ok"}')


def _refuse(*_: Job) -> None:
    raise NotReady("the model is still being loaded", retry_after=1)


def _told(http: HttpRequest, error: ServerError) -> HttpResponse:
    return grpc_error(http, error) if http.method == "GRPC" else problem(http, error)
