"""The Open Inference Protocol v2 over HTTP, as KServe and Triton speak it, with Triton's extensions for binary tensors,
classification, model configuration, statistics and the repository index.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import msgspec

from modelbuild_runtime.errors import DeadlineExceeded, InvalidInput, NotFound, NotReady, Overloaded, ServerError
from modelbuild_runtime.http.limits import SMALL, Limits, admit
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference import descriptions, infer_request, triton_model
from modelbuild_runtime.open_inference.infer_request import InferRequest
from modelbuild_runtime.open_inference.infer_response import InferWriter, Wanted, wanted
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Columns, Raw, Request, Response

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")
HEADER_LENGTH = b"inference-header-content-length"
STATUSES = {Overloaded: 503, DeadlineExceeded: 503}
"""Where the protocol's status is not the natural one."""

Answer = Callable[[HttpRequest], Any]
Wire = Tuple[Optional[str], Optional[Wanted]]


def protocol(service: Service) -> Protocol:
    """All routes, each of a model's with and without its version."""
    said = _Answers(service)
    infer = _Infer(service)
    routes = [
        Route("GET", "/v2", _json(said.server), operation=descriptions.SERVER),
        Route("GET", "/v2/health/live", _json(said.live), operation=descriptions.LIVE),
        Route("GET", "/v2/health/ready", _json(said.ready), operation=descriptions.READY),
        Route("GET", "/v2/models", _json(said.models), operation=descriptions.MODELS),
        Route("GET", "/v2/models/stats", _json(said.statistics), operation=descriptions.STATISTICS),
        Route("POST", "/v2/repository/index", _json(said.index), operation=descriptions.INDEX),
    ]
    prediction = Prediction(infer.decode, infer.encode)
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route("GET", path, _json(said.model), operation=descriptions.MODEL),
            Route("GET", f"{path}/ready", _json(said.model_ready), operation=descriptions.MODEL_READY),
            Route("GET", f"{path}/config", _json(said.config), operation=descriptions.CONFIG),
            Route("GET", f"{path}/stats", _json(said.model_statistics), operation=descriptions.MODEL_STATISTICS),
            Route("POST", f"{path}/infer", prediction, operation=descriptions.infer(service)),
        ]
    return Protocol("open_inference", "The Open Inference Protocol v2", tuple(routes), _error)


class _Infer:
    """The route that predicts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = Limits(service.max_body, service.max_elements)
        self._writer = InferWriter(service.contract, service.model_name, service.model_version)

    def decode(self, http: HttpRequest) -> Request:
        """JSON, JSON with raw tensors after it, or one raw tensor."""
        service = self._service
        _check_model(service, http.params)
        headers = http.headers
        if service.takes_raw:
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            return Request(Raw({"body": bytes(http.body)}, content_type), id=http.id, headers=headers)
        length = headers.get(HEADER_LENGTH)
        if length is None:
            if len(http.body) > SMALL:
                admit(http.body, b"", self._limits)
            question, raw = infer_request.read(http.body), None
        else:
            text, raw = infer_request.split(http.body, length)
            if not text:
                tensors = infer_request.whole(http.body, service.contract, service.model_name)
                return Request(Columns(tensors), id=http.id, headers=headers, wire=(None, Wanted(binary=True)))
            admit(text, b"", self._limits)
            question = infer_request.read(text)
        return self._request(http, question, raw)

    def encode(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """JSON, with raw tensors after it where they are wanted."""
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        wire: Wire = request.wire
        return self._writer.write(wire[0], wire[1], response)

    def _request(self, http: HttpRequest, question: InferRequest, raw: Optional[memoryview]) -> Request:
        payload = Columns(infer_request.tensors(question.inputs, raw, self._service.model_name))
        identity, parameters, outputs = question.id, question.parameters, question.outputs
        if not parameters and not outputs:
            return Request(payload, id=identity or http.id, headers=http.headers, wire=(identity, None))
        return Request(
            payload,
            id=identity or http.id,
            parameters=infer_request.user_parameters(parameters),
            outputs=tuple(output.name for output in outputs or ()),
            headers=http.headers,
            deadline=_deadline(http.received, parameters),
            wire=(identity, wanted(outputs, parameters)),
        )


class _Answers:
    """The routes that tell."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def server(self, _http: HttpRequest) -> Any:
        return {"name": "modelbuild", "version": "2", "extensions": EXTENSIONS}

    def live(self, _http: HttpRequest) -> Any:
        if not self._service.live():
            raise NotReady("the server no longer works")
        return {"live": True}

    def ready(self, _http: HttpRequest) -> Any:
        if not self._service.ready():
            raise NotReady("the server is not ready")
        return {"ready": True, "live": True}

    def models(self, _http: HttpRequest) -> Any:
        return {"models": [self._service.model_name]}

    def index(self, http: HttpRequest) -> Any:
        try:
            body = msgspec.json.decode(http.body) if http.body else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput("the body is not JSON") from error
        only_ready = body.get("ready", False) if isinstance(body, dict) else None
        if not isinstance(only_ready, bool):
            raise InvalidInput("the body must be an object, and 'ready' in it true or false", field="ready")
        return triton_model.repository_index(self._service, only_ready=only_ready)

    def model(self, http: HttpRequest) -> Any:
        service = self._service
        _check_model(service, http.params)
        return {
            "name": service.model_name,
            "versions": [service.model_version],
            "platform": service.platform,
            "inputs": [_described(spec) for spec in service.contract.inputs],
            "outputs": [_described(spec) for spec in service.contract.outputs],
        }

    def model_ready(self, http: HttpRequest) -> Any:
        _check_model(self._service, http.params)
        if not self._service.ready():
            raise NotReady("Model version not ready")
        return {"name": self._service.model_name, "ready": True}

    def config(self, http: HttpRequest) -> Any:
        _check_model(self._service, http.params)
        return triton_model.config(self._service)

    def statistics(self, _http: HttpRequest) -> Any:
        return triton_model.statistics(self._service)

    def model_statistics(self, http: HttpRequest) -> Any:
        _check_model(self._service, http.params)
        return triton_model.statistics(self._service)


def _error(_http: HttpRequest, error: ServerError) -> HttpResponse:
    return HttpResponse(STATUSES.get(type(error), error.status), msgspec.json.encode({"error": error.message}))


def _json(answer: Answer) -> Callable[[HttpRequest], HttpResponse]:
    def endpoint(http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, msgspec.json.encode(answer(http)))

    return endpoint


def _check_model(service: Service, params: Mapping[str, str]) -> None:
    model = params["model"]
    if model != service.model_name:
        raise NotFound(f"Request for unknown model: '{model[:100]}' is not found", field="model")
    version = params.get("version")
    if version is not None and version != service.model_version:
        raise NotFound(f"Request for unknown model: '{model}' version {version[:100]} is not found", field="version")


def _deadline(received: float, parameters: Optional[Mapping[str, Any]]) -> float:
    """Triton's timeout, in microseconds from the request's arrival."""
    timeout = (parameters or {}).get("timeout", 0)
    if type(timeout) is not int or not 0 <= timeout < 1 << 63:
        raise InvalidInput("parameters: timeout must be a number of microseconds", field="timeout")
    return received + timeout / 1e6 if timeout else 0.0


def _described(spec: Any) -> Dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
