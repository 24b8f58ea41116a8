"""The management API of TorchServe and Multi-Model-Server, for operators only: on a port of its own, with a token.

After torchserve 0.12.0 and multi-model-server 1.1.11. Models are loaded at once and run in this process, so that there
are no workers to scale, and each has one version.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping
from urllib.parse import parse_qs

from modelbuild_runtime import openapi
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.errors import InvalidInput, NotFound, NotReady, ServerError
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Loaded, Models, Protocol, Route, Service, Task
from modelbuild_runtime.torchserve.words import ERROR, error_answer, json_answer, told

CLAIMS = ("/models",)

_PAGE = 100
_NAMED = ("/models/{model}", "/models/{model}/{version}")


def protocol(service: Service) -> Protocol:
    """The routes of both servers; answers are TorchServe's, or Multi-Model-Server's where its configuration is used."""
    managed = _Managed(service)
    routes = [
        Route("GET", "/models", managed.page, operation=_said("Models that are served", 400)),
        Route("POST", "/models", Task(managed.register), operation=_said("Load a model", 400, 409, 413, 503, 507)),
    ]
    for path in _NAMED:
        routes += [
            Route("GET", path, managed.describe, operation=_said("A model and its worker", 404)),
            Route("PUT", path, managed.scale, operation=_said("Scale to one worker, which there is", 400, 404)),
            Route("DELETE", path, Task(managed.unregister), operation=_said("Unload a model", 400, 404, 503)),
        ]
    path = "/models/{model}/{version}/set-default"
    routes.append(Route("PUT", path, managed.make_default, operation=_said("Choose the only version", 404)))
    return Protocol("torchserve_management", "TorchServe's management", tuple(routes), _error, "management")


class _Managed:
    """The packaged model, which stays, and those that come and go."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._packaged = Loaded(service.model_name, service.model_version, service.model_name)
        self._is_mms = bool(service.environment.get("MMS_CONFIG_FILE"))

    def page(self, http: HttpRequest) -> HttpResponse:
        """Names and places, ``limit`` at a time."""
        asked = parse_qs(http.query)
        start, limit = _number(asked, "next_page_token", 0), _number(asked, "limit", _PAGE) or _PAGE
        known = self._known()
        body: Dict[str, Any] = {"models": [_entry(loaded) for loaded in known[start : start + limit]]}
        if len(known) > start + limit:
            body = {"nextPageToken": str(start + limit), **body}
        return json_answer(200, body)

    def register(self, http: HttpRequest) -> HttpResponse:
        """Load the archive or the artifact at ``url``, which is a path in the folder for models."""
        asked = _parameters(http)
        url = asked.get("url", "")
        if not url:
            raise InvalidInput("Parameter url is required.", field="url")
        name = asked.get("model_name") or url.rstrip("/").rpartition("/")[2].partition(".")[0]
        loaded = self._models().load(name, url)
        version = "" if self._is_mms else f" Version: {loaded.version}"
        workers = "" if self._is_mms else " with 1 initial workers"
        return _status(f'Model "{name}"{version} registered{workers}')

    def describe(self, http: HttpRequest) -> HttpResponse:
        """One model, as a list of its versions for TorchServe."""
        loaded = self._named(http)
        body = {
            "modelName": loaded.name,
            "modelVersion": loaded.version,
            "modelUrl": loaded.location,
            "runtime": "python",
            "minWorkers": 1,
            "maxWorkers": 1,
            "batchSize": self._service.settings.max_batch_size,
            "maxBatchDelay": 0,
            "loadedAtStartup": loaded is self._packaged,
            "workers": [{"id": "0", "status": "READY" if self._service.ready() else "UNLOADING", "gpu": False}],
        }
        return json_answer(200, body if self._is_mms else [body])

    def scale(self, http: HttpRequest) -> HttpResponse:
        """A model has the processes that the server was started with, here one: anything else is refused."""
        loaded, asked = self._named(http), parse_qs(http.query)
        least, most = _number(asked, "min_worker", 1), _number(asked, "max_worker", 1)
        if least > 1 or most < 1:
            raise InvalidInput("each model runs in one worker, which the server has started", field="min_worker")
        return _status("Workers scaled" if self._is_mms else f"Workers scaled to 1 for model: {loaded.name}")

    def make_default(self, http: HttpRequest) -> HttpResponse:
        """The only version is the default one."""
        loaded = self._named(http)
        return _status(f'Default version successfully updated for model "{loaded.name}" to "{loaded.version}"')

    def unregister(self, http: HttpRequest) -> HttpResponse:
        """Unload a model; its memory is free then."""
        loaded = self._named(http)
        if loaded is self._packaged:
            raise InvalidInput(f"model {loaded.name} is the one that this image was made for, and stays", field="model")
        self._models().unload(loaded.name)
        return _status(f'Model "{loaded.name}" unregistered')

    def _named(self, http: HttpRequest) -> Loaded:
        name, version = http.params["model"], http.params.get("version", "all")
        for loaded in self._known():
            if loaded.name == name and version in ("all", loaded.version):
                return loaded
        if any(loaded.name == name for loaded in self._known()):
            raise NotFound(f"Model version: {version[:100]} does not exist for model: {name}", field="version")
        raise NotFound(f"Model not found: {name[:100]}", field="model")

    def _known(self) -> List[Loaded]:
        models = self._service.models
        return [self._packaged, *(models.loaded() if models is not None else ())]

    def _models(self) -> Models:
        if self._service.models is None:
            raise NotReady("the server is not ready to load models", retry_after=1)
        return self._service.models


def _error(_http: HttpRequest, error: ServerError) -> HttpResponse:
    return error_answer(*told(error))


def _parameters(http: HttpRequest) -> Dict[str, str]:
    """The query's, and those of a JSON body."""
    found = {name: values[0] for name, values in parse_qs(http.query).items()}
    if http.body:
        said = json_body.read(http.body)
        if not isinstance(said, dict):
            raise InvalidInput("the body is not an object")
        found.update({key: str(value) for key, value in said.items()})
    return found


def _number(asked: Mapping[str, List[str]], name: str, usual: int) -> int:
    text = asked.get(name, [str(usual)])[0]
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput(f"{name} is not a number: {text[:100]}", field=name)
    return int(text)


def _entry(loaded: Loaded) -> Dict[str, str]:
    return {"modelName": loaded.name, "modelUrl": loaded.location}


def _said(summary: str, *failures: int) -> Dict[str, Any]:
    """What a route does, and with which statuses: these are in no document but the reference."""
    failed = openapi.failures(ERROR, 401, *failures)
    return {"summary": summary, "responses": {"200": openapi.json_body({}), **failed}}


def _status(text: str) -> HttpResponse:
    return json_answer(200, {"status": text})
