"""TensorFlow Serving: predict in rows and columns, classify, regress, status and metadata, over REST and over gRPC.

Where KServe's version 1 has the same path, these routes take what has ``instances`` or ``inputs``, and KServe's the
rest; a model's status and the list of models are told in a form that both understand, by KServe's routes. On a port of
its own this protocol answers all of it, strictly.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Optional

import msgspec

from modelbuild_runtime.errors import InvalidInput, MethodNotAllowed, NotFound, ServerError
from modelbuild_runtime.grpc.status import FAILED_PRECONDITION, grpc_error
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Endpoint, Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Raw, Request, Response
from modelbuild_runtime.tensorflow_serving import calls, examples, json_answers, results
from modelbuild_runtime.tensorflow_serving.descriptions import Descriptions
from modelbuild_runtime.tensorflow_serving.json_tensors import PredictReader
from modelbuild_runtime.tensorflow_serving.model_spec import ModelSpec, version_number
from modelbuild_runtime.tensorflow_serving.signature_def import signature_defs

CLAIMS = ("/v1", "/monitoring", "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService")

MODELS = "/v1/models"
MODEL = f"{MODELS}/{{model}}"
PATHS = (MODEL, f"{MODEL}/versions/{{version}}", f"{MODEL}/labels/{{label}}")
METRICS = "/monitoring/prometheus/metrics"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Answer = Callable[[HttpRequest], HttpResponse]
Check = Callable[..., Any]


def protocol(service: Service) -> Protocol:
    """Each route with the model's version, with a label of it, and with neither."""
    spec = ModelSpec(service)
    said = Descriptions(service, spec)
    predicts = _Predictions(service, spec)
    routes: List[Route] = [
        Route("GET", MODELS, _list, when=_elsewhere),
        Route("GET", METRICS, _metrics(service), operation=said.metrics),
    ]
    for path in PATHS:
        when = _elsewhere if path == MODEL else None
        routes += [
            Route("GET", path, _status(spec), when=when, operation={} if when else said.status(path)),
            Route("GET", f"{path}/metadata", _metadata(service, spec), operation=said.metadata(path)),
            Route("POST", f"{path}:predict", predicts.predict, operation=said.predict(path)),
            Route("POST", f"{path}:classify", predicts.classify, operation=said.classify(path)),
            Route("POST", f"{path}:regress", predicts.regress, operation=said.regress(path)),
        ]
    return Protocol("tensorflow_serving", "TensorFlow Serving", (*routes, *_calls(service, spec)), _error)


def _calls(service: Service, spec: ModelSpec) -> List[Route]:
    """The methods of its gRPC services."""
    asked, told = calls.Predictions(service, spec), calls.Told(service, spec)
    endpoints: Dict[str, Endpoint] = {
        "PredictionService/Predict": Prediction(asked.predict, asked.predicted),
        "PredictionService/Classify": Prediction(asked.classify, asked.classified),
        "PredictionService/Regress": Prediction(asked.regress, asked.regressed),
        "PredictionService/MultiInference": Prediction(asked.infer, asked.inferred),
        "PredictionService/GetModelMetadata": told.metadata,
        "ModelService/GetModelStatus": told.status,
        "ModelService/HandleReloadConfigRequest": told.reload,
    }
    return [Route("GRPC", f"/tensorflow.serving.{method}", endpoint) for method, endpoint in endpoints.items()]


class _Predictions:
    """The routes that predict."""

    def __init__(self, service: Service, spec: ModelSpec) -> None:
        self._service = service
        self._spec = spec
        self._reader = PredictReader(service.contract)
        self.predict = Prediction(partial(self._decode, self._tensors), self._encode)
        self.classify = Prediction(partial(self._decode, self._examples), self._classes)
        self.regress = Prediction(partial(self._decode, self._examples), self._numbers)

    def _decode(self, read: Callable[[HttpRequest], Request], http: HttpRequest) -> Request:
        _checked(http, self._spec.check)
        if self._service.takes_raw:
            content_type = http.headers.get(b"content-type", b"").decode("latin-1")
            return Request(Raw({"body": bytes(http.body)}, content_type), id=http.id, headers=http.headers)
        return read(http)

    def _tensors(self, http: HttpRequest) -> Request:
        question = self._reader.read(http.body)
        return Request(question.payload, id=http.id, headers=http.headers, wire=question.form)

    def _examples(self, http: HttpRequest) -> Request:
        rows = examples.read(http.body, self._service.contract)
        return Request(rows, id=http.id, headers=http.headers)

    def _encode(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        return _raw(response) or HttpResponse(200, json_answers.prediction(response, request.wire))

    def _classes(self, _http: HttpRequest, _request: Request, response: Response) -> HttpResponse:
        outputs = self._service.contract.outputs
        return _raw(response) or HttpResponse(200, json_answers.classes(results.classes(response, outputs)))

    def _numbers(self, _http: HttpRequest, _request: Request, response: Response) -> HttpResponse:
        outputs = self._service.contract.outputs
        return _raw(response) or HttpResponse(200, json_answers.numbers(results.numbers(response, outputs)))


def _list(_http: HttpRequest) -> HttpResponse:
    raise InvalidInput("Missing model name in request.", field="model")


def _status(spec: ModelSpec) -> Answer:
    def answer(http: HttpRequest) -> HttpResponse:
        return HttpResponse(200, msgspec.json.encode(_checked(http, spec.status)))

    return answer


def _metadata(service: Service, spec: ModelSpec) -> Answer:
    def answer(http: HttpRequest) -> HttpResponse:
        _checked(http, spec.check)
        which = {"name": spec.name, "signature_name": "", "version": str(spec.version)}
        metadata = {"signature_def": signature_defs(service.contract)}
        return HttpResponse(200, msgspec.json.encode({"model_spec": which, "metadata": metadata}))

    return answer


def _metrics(service: Service) -> Answer:
    return lambda _http: HttpResponse(200, service.metrics(), METRICS_TYPE)


def _elsewhere(_http: HttpRequest) -> bool:
    """Where other protocols are spoken beside this one, theirs is the answer."""
    return False


def _checked(http: HttpRequest, check: Check) -> Any:
    """What a path's model, version or label leads to."""
    params = http.params
    version = params.get("version")
    if ":" in params["model"] or ":" in params.get("label", "") or (version is not None and not _is_number(version)):
        raise _malformed(http)
    return check(params["model"], None if version is None else version_number(version), params.get("label", ""))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _malformed(http: HttpRequest) -> InvalidInput:
    return InvalidInput(f"Malformed request: {http.method} {http.path[:200]}", field="path")


def _raw(response: Response) -> Optional[HttpResponse]:
    """What a handler encoded by itself."""
    if response.raw is None:
        return None
    return HttpResponse(response.status, response.raw, response.content_type, response.headers)


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    if http.method == "GRPC":
        return grpc_error(http, error, FAILED_PRECONDITION if isinstance(error, calls.NoSignature) else 0)
    if isinstance(error, (NotFound, MethodNotAllowed)) and not error.field:  # no route has it
        error = _malformed(http)
    body: Dict[str, str] = {"error": error.message}
    return HttpResponse(error.status, msgspec.json.encode(body))
