"""What operators ask: is it alive, is it ready, how is it doing, what does it take."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, Dict

import msgspec

from modelbuild_runtime import openapi
from modelbuild_runtime.errors import NotReady
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.protocols import Protocol, Route, Service, Summary
from modelbuild_runtime.schema import Shared
from modelbuild_runtime.tensor import NUMPY

if TYPE_CHECKING:
    from modelbuild_runtime.page.page import Page

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINKS = {
    "predict": "/predict",
    "contract": "/contract",
    "openapi": "/openapi.json",
    "health": "/health",
    "metrics": "/metrics",
}

_VARY = (("Vary", "Accept"),)

Answer = Callable[[HttpRequest], HttpResponse]


def protocol(service: Service) -> Protocol:
    """Routes that belong to the server as such."""
    ready = _ready(service)
    routes = (
        Route("GET", "/", _index(service), operation=_indexed(service), public=_welcome(service)),
        Route("GET", "/contract", _contract(service), operation=_CONTRACT),
        Route("GET", "/health", ready, operation=_checked("Ready to predict"), public=True),
        Route("GET", "/health/ready", ready, operation=_checked("Ready to predict"), public=True),
        Route("GET", "/health/startup", _started(), operation=_checked("Started"), public=True),
        Route("GET", "/health/live", _live(service), operation=_checked("Alive, if not ready"), public=True),
        Route("GET", "/metrics", _metrics(service), operation=_METRICS),
        Route("GET", "/metrics/summary", _summary(service), operation=_SUMMARY),
        Route("GET", "/openapi.json", _openapi(service), operation=_told("This document", _DOCUMENT)),
    )
    return Protocol("operations", "Operating the server", routes, problem)


# An image is asked its example by a program: it may be larger than one that people are to read.
_LARGEST = 1_000_000


def _index(service: Service) -> Answer:
    body = {"name": service.model_name, "version": service.model_version, "status": "alive", "links": LINKS}
    facts = HttpResponse(200, msgspec.json.encode(body), headers=_VARY)
    page = _page(service)

    def answer(http: HttpRequest) -> HttpResponse:
        return page().answer(http) if service.settings.page and _wants_html(http) else facts

    return answer


def _welcome(service: Service) -> Answer:
    """What those get who have no key: whether it is alive, and the page without what it says of the model."""
    facts = HttpResponse(200, b'{"status":"alive"}', headers=_VARY)
    page = _locked_page()

    def answer(http: HttpRequest) -> HttpResponse:
        return page().answer(http) if service.settings.page and _wants_html(http) else facts

    return answer


def _wants_html(http: HttpRequest) -> bool:
    wanted = media_type.choose(http.headers.get(b"accept", b""), (media_type.JSON, media_type.HTML))
    return wanted is not None and wanted.name == media_type.HTML


def _page(service: Service) -> Callable[[], Page]:
    """The page, made when a browser first asks for it, and kept."""

    @lru_cache(maxsize=1)
    def made() -> Page:
        from modelbuild_runtime.page.page import make_page

        return make_page(service)

    return made


def _locked_page() -> Callable[[], Page]:
    @lru_cache(maxsize=1)
    def made() -> Page:
        from modelbuild_runtime.page.page import locked_page

        return locked_page()

    return made


def _contract(service: Service) -> Answer:
    def answer(_http: HttpRequest) -> HttpResponse:
        model = {"name": service.model_name, "version": service.model_version, "platform": service.platform}
        body = {"model": model, "contract": service.contract.told(), "examples": list(service.examples(_LARGEST))}
        return HttpResponse(200, msgspec.json.encode(body))

    return answer


def _ready(service: Service) -> Answer:
    def answer(http: HttpRequest) -> HttpResponse:
        if not service.ready():
            return problem(http, NotReady("the model is not ready: loading, warming up or draining"))
        return HttpResponse(200, b'{"status":"ok"}')

    return answer


def _started() -> Answer:
    """While the model is loaded and tried nobody has this route."""

    def answer(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b'{"status":"ok"}')

    return answer


def _live(service: Service) -> Answer:
    def answer(http: HttpRequest) -> HttpResponse:
        if not service.live():
            return problem(http, NotReady("the server no longer works"))
        return HttpResponse(200, b'{"status":"ok"}')

    return answer


def _metrics(service: Service) -> Answer:
    def answer(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, service.metrics(), METRICS_TYPE)

    return answer


def _summary(service: Service) -> Answer:
    def answer(_http: HttpRequest) -> HttpResponse:
        body = msgspec.json.encode(service.summary()._asdict())
        return HttpResponse(200, body, headers=(("Cache-Control", "no-store"),))

    return answer


def _openapi(service: Service) -> Answer:
    def answer(_http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, msgspec.json.encode(service.openapi()))

    return answer


def _told(summary: str, body: Any) -> Dict[str, Any]:
    return {"summary": summary, "responses": {"200": openapi.json_body(body)}}


def _indexed(service: Service) -> Dict[str, Any]:
    said = _told("What is served here", _INDEX)
    if service.settings.page:
        said["responses"]["200"]["content"][media_type.HTML] = {"schema": {"type": "string"}}
    return said


def _checked(summary: str) -> Dict[str, Any]:
    status = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
    return {"summary": summary, "responses": {"200": openapi.json_body(status), **openapi.problem(503)}}


_TEXT = {"type": "string"}
_INDEX = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "version": _TEXT,
        "status": {"const": "alive"},
        "links": {"type": "object", "additionalProperties": _TEXT},
    },
    "required": ["name", "version", "status", "links"],
}
_SPEC = Shared(
    "TensorSpec",
    {
        "description": "An input or an output; -1 in its shape stands for any size, and the first one counts rows.",
        "type": "object",
        "properties": {
            "name": _TEXT,
            "datatype": {"enum": list(NUMPY)},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "optional": {"type": "boolean"},
            "labels": {"type": "array", "items": _TEXT},
        },
        "required": ["name", "datatype", "shape"],
    },
)
_GIVEN = {
    "type": "object",
    "properties": {
        "model": {
            "type": "object",
            "properties": dict.fromkeys(("name", "version", "platform"), _TEXT),
            "required": ["name", "version", "platform"],
        },
        "contract": {
            "type": "object",
            "properties": {
                "inputs": {"type": "array", "items": _SPEC},
                "outputs": {"type": "array", "items": _SPEC},
                "open": {"type": "boolean", "description": "The handler takes whatever it is given."},
                "batched": {"type": "boolean", "description": "A request may have several rows."},
                "record": {"type": "object", "description": "JSON Schema of one row; empty where that is no record."},
                "parameters": {"type": "object", "description": "JSON Schemas of what a request may set, by name."},
                "answers": {"type": "object", "description": "JSON Schemas of outputs that are objects, by name."},
            },
            "required": ["inputs", "outputs", "open", "batched", "record"],
        },
        "examples": {
            "type": "array",
            "items": {"type": "object", "properties": {"request": {}, "expected": {}, "name": _TEXT}},
        },
    },
    "required": ["model", "contract", "examples"],
}
_DOCUMENT = {
    "type": "object",
    "properties": {"openapi": {"const": "3.1.0"}},
    "required": ["openapi", "info", "paths", "components"],
}
_CONTRACT = _told("What the model takes and gives, with examples", _GIVEN)
_METRICS = {"summary": "Metrics for Prometheus", "responses": {"200": openapi.texts()}}

_COUNT = {"type": "integer", "minimum": 0}
_SECONDS = {"type": "number", "minimum": 0}
_SUMMARY = {
    "summary": "Metrics that the page shows",
    "description": "Predictions since the start, and how many took how long. Two answers tell a rate.",
    "responses": {
        "200": openapi.json_body(
            {
                "type": "object",
                "properties": {
                    "at": _SECONDS,
                    "succeeded": _COUNT,
                    "failed": _COUNT,
                    "edges": {"type": "array", "items": _SECONDS},
                    "counts": {"type": "array", "items": _COUNT},
                    "in_flight": _COUNT,
                    "waiting": _COUNT,
                    "queue_age_seconds": _SECONDS,
                },
                "required": [*Summary._fields],
            }
        )
    },
}
