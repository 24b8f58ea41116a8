"""Multi-Model-Server and TorchServe: their inference APIs, with the older paths that clients still use.

After multi-model-server 1.1.11 and torchserve 0.12.0; tests hold both against this. GET and PUT predict as POST does,
as there; they are promised to nobody, since HTTP knows no body of a GET.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Tuple
from urllib.parse import parse_qsl

from modelbuild_runtime import openapi
from modelbuild_runtime.answers.answer import AnswerWriter
from modelbuild_runtime.bodies.body import BodyReader, raw_body
from modelbuild_runtime.errors import NotFound, ServerError
from modelbuild_runtime.grpc.status import code_of, failure
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service, is_multi_model
from modelbuild_runtime.request import Raw, Request, Response
from modelbuild_runtime.torchserve.calls import Calls, told_in_stream
from modelbuild_runtime.torchserve.words import ERROR, error_answer, json_answer, told, uncached

CLAIMS = (
    "/",
    "/api-description",
    "/predictions",
    "/explanations",
    "/{model}/predict",
    "/{model}/{version}/predict",
    "/models",
    "/invocations",
    "/org.pytorch.serve.grpc.inference.InferenceAPIsService",
)

_VERSIONS = ("", "/{version}", "/{version}/{url_path*}")
_SERVICE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService"
_CHAT = f"{_SERVICE}/StreamPredictions2"
_PREFLIGHT = b"access-control-request-method"

Fields = Dict[str, bytes]
Extra = Callable[[HttpRequest], Tuple[Mapping[bytes, bytes], Fields]]
"""What those servers put into a request before the handler sees it: headers, and fields."""


def protocol(service: Service) -> Protocol:
    """The routes of both servers. What only one of them has is answered as that one does."""
    model = _Model(service)
    routes: List[Route] = [
        Route("OPTIONS", "/", model.everything, when=_is_no_preflight, operation=_DESCRIPTION),
        Route("GET", "/api-description", model.everything, operation=_DESCRIPTION),
    ]
    for end in _VERSIONS:
        path = f"/predictions/{{model}}{end}"
        routes += model.predicting(path, _prediction_headers)
        if "*" not in end:
            routes.append(Route("OPTIONS", path, model.described, when=_is_no_preflight, operation=_DESCRIPTION))
        routes += model.explaining(f"/explanations/{{model}}{end}")
    older = ["/{model}/predict", "/{model}/{version}/predict"]
    if not is_multi_model(service.environment):  # there this path is SageMaker's own
        older.append("/models/{model}/invoke")
    for path in older:
        routes += model.predicting(path, _query_fields)
    if service.style == "torchserve":
        routes.append(model.predicting("/invocations", _query_fields)[0]._replace(when=_always))
    return Protocol("torchserve", "Multi-Model-Server and TorchServe", (*routes, *_calls(service, model)), model.error)


def _calls(service: Service, model: _Model) -> List[Route]:
    """TorchServe's service of gRPC."""
    calls = Calls(service, model.check)
    stream = Prediction(calls.read_to_stream, calls.write)
    return [
        Route("GRPC", f"{_SERVICE}/Ping", calls.ping, public=True),
        Route("GRPC", f"{_SERVICE}/Predictions", Prediction(calls.read, calls.write)),
        Route("GRPC", f"{_SERVICE}/StreamPredictions", stream),
        Route("GRPC", _CHAT, Prediction(calls.read, calls.write), many=True),
    ]


class _Model:
    """The one model that is served."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reader = BodyReader(service.contract, openapi.offered(service), raw=False, streams=service.streams)
        self._writer = AnswerWriter(service.contract)
        self._busy = (
            f"No worker is available to serve request for model: {service.model_name}. "
            "Consider increasing job queue size."
        )

    def predicting(self, path: str, extra: Extra) -> List[Route]:
        """The routes of one path, POST first."""
        prediction = Prediction(lambda http: self._read(http, extra), self._write)
        taken = Route("POST", path, prediction, operation={} if "*" in path else self._operation("Predict"))
        return [taken, Route("GET", path, prediction), Route("PUT", path, prediction)]

    def explaining(self, path: str) -> List[Route]:
        """The same for explanations, which few handlers give."""
        promised = self._service.explains and "*" not in path
        prediction = Prediction(self._read_to_explain, self._write)
        taken = Route("POST", path, prediction, operation=self._operation("Explain") if promised else {})
        return [taken, Route("GET", path, prediction), Route("PUT", path, prediction)]

    def everything(self, _http: HttpRequest) -> HttpResponse:
        """All routes of this server, in OpenAPI 3.0.1."""
        from modelbuild_runtime.openapi.older import to_30

        return json_answer(200, to_30(self._service.openapi()))

    def described(self, http: HttpRequest) -> HttpResponse:
        """The routes of this model alone."""
        from modelbuild_runtime.openapi.document import below
        from modelbuild_runtime.openapi.older import to_30

        self.check(http.params)
        title = f"RESTful API for: {self._service.model_name}"
        return json_answer(200, to_30(below(self._service.openapi(), "/predictions/", title)))

    def error(self, http: HttpRequest, error: ServerError) -> HttpResponse:
        """The errors of both servers, in their words where clients may know those."""
        status, kind, message = told(error, self._busy)
        if http.method == "GRPC":
            return told_in_stream(status, message) if http.path == _CHAT else failure(status, code_of(status), message)
        return error_answer(status, kind, message)

    def _read(self, http: HttpRequest, extra: Extra) -> Request:
        self.check(http.params)
        service = self._service
        if not service.takes_raw:
            return self._reader.read(http)
        headers, fields = extra(http)
        if not http.params and "model_name" in fields:  # the path says no model
            self.check({"model": fields["model_name"].decode("utf-8", "replace") or service.model_name})
        raw = raw_body(http.body, http.headers.get(b"content-type", b""))
        if fields:
            types = {**dict.fromkeys(fields, ""), **raw.types} if raw.types else {}
            raw = Raw({**fields, **raw.fields}, raw.content_type, types)
        accept = http.headers.get(b"accept", b"").decode("latin-1")
        return Request(raw, id=http.id, headers={**http.headers, **headers}, accept=accept, stream=service.streams)

    def _read_to_explain(self, http: HttpRequest) -> Request:
        request = self._read(http, _prediction_headers)
        request.explain, request.stream = True, False
        return request

    def _write(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        return uncached(self._writer.write(request.wire, response))

    def check(self, params: Mapping[str, str]) -> None:
        service = self._service
        name = params.get("model", service.model_name)
        if name != service.model_name:
            raise NotFound(f"Model not found: {name[:100]}", field="model")
        version = params.get("version", service.model_version)
        if version != service.model_version:
            raise NotFound(f"Model version: {version[:100]} does not exist for model: {name}", field="version")

    def _operation(self, summary: str) -> Dict[str, Any]:
        """Explanations are whatever the handler makes of them."""
        service = self._service
        summary = f"{summary}, as Multi-Model-Server and TorchServe are asked"
        predicts = summary.startswith("Predict")
        given = openapi.answers(service) if predicts else openapi.written(service, openapi.offered(service))
        return openapi.prediction(service, summary, openapi.questions(service), given, _FAILED)


def _prediction_headers(http: HttpRequest) -> Tuple[Mapping[bytes, bytes], Fields]:
    return {b"explain": b"False", b"url_path": http.params.get("url_path", "").encode()}, {}


def _query_fields(http: HttpRequest) -> Tuple[Mapping[bytes, bytes], Fields]:
    """The query's parameters are fields of the request, the body's of the same name before them."""
    if not http.query:
        return {}, {}
    pairs = parse_qsl(http.query, keep_blank_values=True, errors="surrogateescape")
    return {}, {name: value.encode("utf-8", "surrogateescape") for name, value in pairs}


def _is_no_preflight(http: HttpRequest) -> bool:
    return _PREFLIGHT not in http.headers


def _always(_http: HttpRequest) -> bool:
    return True


_FAILED = openapi.failures(ERROR, 400, 404, 406, 413, 415, 503, 504, 507)
_DESCRIPTION = {
    "summary": "The API, in OpenAPI 3.0.1",
    "responses": {"200": openapi.json_body({"type": "object"}), **openapi.failures(ERROR, 404)},
}
