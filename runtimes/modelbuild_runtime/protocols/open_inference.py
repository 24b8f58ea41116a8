"""The Open Inference Protocol v2 over HTTP and gRPC, as KServe and Triton speak it, with Triton's extensions: binary
tensors, classification, generate, model configuration, statistics, the repository, and what it says of its settings.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Type

import msgspec

from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    NotReady,
    Overloaded,
    ServerError,
    Unsupported,
)
from modelbuild_runtime.grpc.status import UNAVAILABLE, grpc_error
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference import operations as said
from modelbuild_runtime.open_inference.answers import NO_SHARED_MEMORY, Answers, fixed
from modelbuild_runtime.open_inference.generate import Generate
from modelbuild_runtime.open_inference.grpc_inference import stream_error
from modelbuild_runtime.open_inference.inference import Inference
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.protocols._open_inference_grpc import STREAM
from modelbuild_runtime.protocols._open_inference_grpc import routes as grpc_routes
from modelbuild_runtime.request import Request

CLAIMS = ("/v2", "/inference.GRPCInferenceService")

STATUSES: Mapping[Type[ServerError], int] = {Overloaded: 503, DeadlineExceeded: 503}
CODES: Mapping[Type[ServerError], int] = {Overloaded: UNAVAILABLE}
"""Where the protocol's status, and its code of gRPC, is not the natural one."""

Answer = Callable[[HttpRequest], Any]


def protocol(service: Service) -> Protocol:
    """All routes, each of a model's with and without its version."""
    answers, inference = Answers(service), Inference(service)
    rest = _Rest(service, answers)
    routes = [*_of_the_server(rest), *_of_shared_memory()]
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += _of_the_model(path, service, rest, inference)
    routes += grpc_routes(service, answers, inference)
    return Protocol("open_inference", "The Open Inference Protocol v2", tuple(routes), _error)


def _of_the_server(rest: _Rest) -> List[Route]:
    load, unload = "/v2/repository/models/{model}/load", "/v2/repository/models/{model}/unload"
    return [
        Route("GET", "/v2", _json(rest.server), operation=said.told("What this server is", said.SERVER)),
        Route(
            "GET",
            "/v2/health/live",
            _json(rest.live),
            operation=said.told("Alive, if not ready", said.LIVE, 503),
            public=True,
        ),
        Route(
            "GET",
            "/v2/health/ready",
            _json(rest.ready),
            operation=said.told("Ready to predict", said.READY, 503),
            public=True,
        ),
        Route("GET", "/v2/models", _json(rest.models), operation=said.told("Names of the models", said.MODELS)),
        Route("GET", "/v2/models/stats", _json(rest.statistics), operation=said.told("Statistics", said.STATISTICS)),
        Route("POST", "/v2/repository/index", _json(rest.index), operation=said.index()),
        Route("POST", load, _json(rest.load), operation=said.load()),
        Route("POST", unload, _json(rest.unload)),
        Route("GET", "/v2/logging", _json(rest.logging), operation=said.told("What is logged", said.SETTINGS)),
        Route("POST", "/v2/logging", _json(rest.set_logging)),
        Route("GET", "/v2/trace/setting", _json(rest.trace), operation=said.told("What is traced", said.SETTINGS)),
        Route("POST", "/v2/trace/setting", _json(rest.set_trace)),
    ]


def _of_the_model(path: str, service: Service, rest: _Rest, inference: Inference) -> List[Route]:
    generate, events = Generate(service, inference, streams=False), Generate(service, inference, streams=True)
    trace = f"{path}/trace/setting"
    told, model, ready = said.told, said.MODEL, said.MODEL_READY
    return [
        Route("GET", path, _json(rest.model), operation=told("Names, datatypes and shapes", model, 404)),
        Route(
            "GET",
            f"{path}/ready",
            _json(rest.model_ready),
            operation=told("The model is ready", ready, 404, 503),
            public=True,
        ),
        Route("GET", f"{path}/config", _json(rest.config), operation=told("Triton's configuration", said.CONFIG, 404)),
        Route("GET", f"{path}/stats", _json(rest.statistics), operation=told("Statistics", said.STATISTICS, 404)),
        Route("GET", trace, _json(rest.trace), operation=told("What is traced", said.SETTINGS, 404)),
        Route("POST", trace, _json(rest.set_trace)),
        Route("POST", f"{path}/infer", rest.predicts(inference), operation=said.infer(service)),
        Route("POST", f"{path}/generate", rest.predicts(generate), operation=said.generate(service)),
        Route("POST", f"{path}/generate_stream", rest.predicts(events), operation=said.events(service)),
        Route("POST", f"{path}/infer_stream", rest.predicts(events), operation=said.events(service)),
    ]


def _of_shared_memory() -> List[Route]:
    routes: List[Route] = []
    for kind in ("system", "cuda"):
        path = f"/v2/{kind}sharedmemory"
        region, none = f"{path}/region/{{region}}", _json(lambda _: {})
        gone = said.told("Forget regions, of which there are none", said.SETTINGS, 413)
        routes += [
            Route("GET", f"{path}/status", _json(lambda _: []), operation=said.told("Regions: none", said.NOTHING)),
            Route("GET", f"{region}/status", _json(_no_region)),
            Route("POST", f"{region}/register", _json(_no_shared_memory)),
            Route("POST", f"{region}/unregister", none, operation=gone),
            Route("POST", f"{path}/unregister", none, operation=gone),
        ]
    return routes


class _Rest:
    """The answers, to what a path and a body ask for."""

    def __init__(self, service: Service, answers: Answers) -> None:
        self._service = service
        self._answers = answers
        self.server: Answer = lambda _: answers.server()
        self.models: Answer = lambda _: {"models": [service.model_name]}
        self.logging: Answer = lambda _: answers.logging()

    def predicts(self, way: Any) -> Prediction:
        """A route that predicts, for this model alone."""

        def decode(http: HttpRequest) -> Request:
            self._check(http)
            request: Request = way.decode(http)
            return request

        if isinstance(way, Inference):
            return Prediction(decode, way.encode, counts=True, light=way.light)
        return Prediction(decode, way.encode)

    def live(self, _http: HttpRequest) -> Any:
        if not self._service.live():
            raise NotReady("the server no longer works")
        return {"live": True}

    def ready(self, _http: HttpRequest) -> Any:
        if not self._service.ready():
            raise NotReady("the server is not ready")
        return {"ready": True, "live": True}

    def model(self, http: HttpRequest) -> Any:
        return self._answers.model(http.params["model"], http.params.get("version", ""))

    def model_ready(self, http: HttpRequest) -> Any:
        self._check(http)
        if not self._service.ready():
            raise NotReady("Model version not ready")
        return {"name": self._service.model_name, "ready": True}

    def config(self, http: HttpRequest) -> Any:
        return self._answers.config(http.params["model"], http.params.get("version", ""))

    def statistics(self, http: HttpRequest) -> Any:
        return self._answers.statistics(http.params.get("model", ""), http.params.get("version", ""))

    def index(self, http: HttpRequest) -> Any:
        only_ready = _object(http).get("ready", False)
        if not isinstance(only_ready, bool):
            raise InvalidInput("ready: expected true or false", field="ready")
        return self._answers.index(only_ready=only_ready)

    def load(self, http: HttpRequest) -> Any:
        parameters = _object(http).get("parameters")
        parameters = {} if parameters is None else parameters
        if not isinstance(parameters, dict):
            raise InvalidInput("parameters: expected an object", field="parameters")
        self._answers.load(http.params["model"], parameters)
        return {"name": http.params["model"], "load": True}

    def unload(self, http: HttpRequest) -> Any:
        self._answers.unload(http.params["model"])

    def set_logging(self, _http: HttpRequest) -> Any:
        raise fixed("what is logged", "MBUILD_LOG_LEVEL")

    def trace(self, http: HttpRequest) -> Any:
        self._check(http)
        return self._answers.trace()

    def set_trace(self, http: HttpRequest) -> Any:
        self._check(http)
        raise fixed("tracing")

    def _check(self, http: HttpRequest) -> None:
        if "model" in http.params:
            self._answers.check(http.params["model"], http.params.get("version", ""))


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    if http.method != "GRPC":
        return HttpResponse(STATUSES.get(type(error), error.status), msgspec.json.encode({"error": error.message}))
    if http.path == STREAM:
        return stream_error(http, error)
    return grpc_error(http, error, CODES.get(type(error), 0))


def _json(answer: Answer) -> Callable[[HttpRequest], HttpResponse]:
    def endpoint(http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, msgspec.json.encode(answer(http)))

    return endpoint


def _object(http: HttpRequest) -> Dict[str, Any]:
    """A body that is an object, or none."""
    value = json_body.read(http.body) if http.body else {}
    if not isinstance(value, dict):
        raise InvalidInput("the body is not a JSON object")
    return value


def _no_shared_memory(_http: HttpRequest) -> Any:
    raise Unsupported(NO_SHARED_MEMORY)


def _no_region(http: HttpRequest) -> Any:
    raise NotFound(f"Unable to find shared memory region: '{http.params['region'][:100]}'", field="region")
