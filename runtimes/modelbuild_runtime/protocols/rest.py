"""The natural REST API: POST /predict, whose answer has the shape of its question."""

from __future__ import annotations

from typing import Any, Dict

from modelbuild_runtime import openapi
from modelbuild_runtime.answers.answer import AnswerWriter
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response


def protocol(service: Service) -> Protocol:
    """One route."""
    contract = service.contract
    reader = BodyReader(contract, openapi.offered(service), raw=service.takes_raw, streams=service.streams)
    writer = AnswerWriter(contract)

    def encode(_http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        return writer.write(request.wire, response)

    prediction = Prediction(reader.read, encode, decoding=reader.reading)
    route = Route("POST", "/predict", prediction, operation=_operation(service))
    return Protocol("rest", "The natural REST API", (route,), problem)


def _operation(service: Service) -> Dict[str, Any]:
    failed = openapi.problem(400, 406, 413, 415, 429, 500, 503, 504)
    said = openapi.prediction(service, "Predict", openapi.questions(service), openapi.answers(service), failed)
    if service.takes_raw:
        return said
    how = "A record, a list of rows, {instances: rows} or {inputs: columns}; answered in the same shape."
    return {**said, "description": how}
