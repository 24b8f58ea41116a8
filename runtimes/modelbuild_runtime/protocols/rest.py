"""The natural REST API: POST /predict, whose answer has the shape of its question."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from modelbuild_runtime import openapi, schema
from modelbuild_runtime.answers.answer import AnswerWriter, offers
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.http.problem import problem
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service
from modelbuild_runtime.request import Request, Response


def protocol(service: Service) -> Protocol:
    """One route."""
    contract = service.contract
    reader = BodyReader(contract, _offers(service), raw=service.takes_raw, streams=service.streams)
    writer = AnswerWriter(contract)

    def encode(_http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        return writer.write(request.wire, response)

    route = Route("POST", "/predict", Prediction(reader.read, encode), operation=_operation(service))
    return Protocol("rest", "The natural REST API", (route,), problem)


def _offers(service: Service) -> Tuple[str, ...]:
    return offers(service.contract, streams=service.streams and not service.takes_raw)


def _operation(service: Service) -> Dict[str, Any]:
    return {
        "summary": "Predict",
        "description": "A record, a list of rows, {instances: rows} or {inputs: columns}; answered in the same shape.",
        "requestBody": {"required": True, "content": _questions(service)},
        "responses": {"200": _answers(service), **openapi.problem(400, 406, 413, 415, 429, 500, 503, 504)},
    }


def _questions(service: Service) -> Dict[str, Any]:
    if service.takes_raw:
        return {"*/*": {"schema": {}}}
    contract = service.contract
    examples = {f"example{at}": {"value": example.request} for at, example in enumerate(service.examples(), 1)}
    form = {"schema": {"$ref": "#/components/schemas/Record"}}
    content: Dict[str, Any] = {
        media_type.JSON: {"schema": schema.question(contract)},
        media_type.MULTIPART: form,
        media_type.URLENCODED: form,
        media_type.NPY: {"schema": {"contentMediaType": media_type.NPY}},
    }
    if examples:
        content[media_type.JSON]["examples"] = examples
    if contract.batched:
        content[media_type.CSV] = {"schema": {"type": "string"}}
        content[media_type.JSON_LINES] = {"schema": {"type": "string"}}
    return content


def _answers(service: Service) -> Dict[str, Any]:
    if service.takes_raw:
        return {"description": "What the handler answers", "content": {"*/*": {"schema": {}}}}
    written: Dict[str, Any] = {name: {"schema": {"type": "string"}} for name in _offers(service)}
    written[media_type.JSON] = {"schema": schema.answer(service.contract)}
    written[media_type.NPY] = {"schema": {"contentMediaType": media_type.NPY}}
    return {"description": "The prediction", "content": written}
