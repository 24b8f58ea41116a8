"""The generate extension: one JSON object in, one out, or an event a part of the answer.

Triton's request names the model's inputs (``text_input`` where it is a language model), its answer the outputs.
MLServer takes and gives infer requests and responses on the same routes, and is told by its ``inputs``.

Source: docs/protocol/extension_generate.md of triton-inference-server/server; MLServer's streaming routes.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

import msgspec

from modelbuild_runtime.answers import json_answer
from modelbuild_runtime.answers import parts as answer_parts
from modelbuild_runtime.bodies import json_body
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference.infer_request import InferRequest, user_parameters
from modelbuild_runtime.open_inference.infer_response import columns_of_part
from modelbuild_runtime.open_inference.inference import Inference, untouched
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.request import Request, Response, Rows

TEXT_INPUT = "text_input"
TEXT_OUTPUT = "text_output"
_SCALARS = (str, int, float, bool)


class Generate:
    """One of the two routes; ``streams`` for the one that answers in events. The wire of a request that is Triton's is
    None, of one that is MLServer's that of an infer request.
    """

    def __init__(self, service: Service, inference: Inference, *, streams: bool) -> None:
        self._service = service
        self._inference = inference
        self._streams = streams
        self._inputs = tuple(spec.name for spec in service.contract.inputs)
        self._names = (*self._inputs, *(name for name in _fields(service) if name not in self._inputs))

    def decode(self, http: HttpRequest) -> Request:
        """A record with its parameters, or an infer request."""
        if self._service.takes_raw:
            request = untouched(http)
        else:
            body = json_body.read(http.body)
            if not isinstance(body, dict):
                raise InvalidInput("the body is not a JSON object")
            is_infer = isinstance(body.get("inputs"), list) and "inputs" not in self._names
            request = self._infer(http, body) if is_infer else self._record(http, body)
        request.stream = self._streams and self._service.streams
        return request

    def encode(self, http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The answer in one piece, or in events."""
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        if response.parts is not None:
            if response.content_type:
                return answer_parts.answer(response, "")
            events = answer_parts.events(response.parts, lambda part: self._of_part(request, part))
            return HttpResponse(200, b"", answer_parts.EVENTS_TYPE, (("cache-control", "no-cache"),), events)
        if request.wire is not None:
            whole = self._inference.encode(http, request, response)
        else:
            rows = json_answer.rows_of(response, batched=self._service.contract.batched)
            whole = HttpResponse(200, json_answer.encode(self._named(rows[0] if rows else {}), tokens=True))
        if self._streams and whole.content_type == "application/json":
            return HttpResponse(200, b"data: " + whole.body + b"\n\n", answer_parts.EVENTS_TYPE)
        return whole

    def _infer(self, http: HttpRequest, body: Dict[str, Any]) -> Request:
        try:
            question = msgspec.convert(body, InferRequest)
        except msgspec.ValidationError as error:
            raise json_body.explained(error) from error
        return self._inference.request(http, question)

    def _record(self, http: HttpRequest, body: Dict[str, Any]) -> Request:
        """What names an input is its value, wherever it stands; anything else is a parameter."""
        identity, given = body.pop("id", None), body.pop("parameters", None)
        given = {} if given is None else given
        if identity is not None and not isinstance(identity, str):
            raise InvalidInput("id: expected a string", field="id")
        if not isinstance(given, dict):
            raise InvalidInput("parameters: expected an object", field="parameters")
        if len(self._inputs) == 1 and TEXT_INPUT in body and self._inputs[0] not in body:
            body[self._inputs[0]] = body.pop(TEXT_INPUT)
        record, parameters = body, given
        if self._names and not self._service.contract.open:
            everything = {**given, **body}
            record = {name: value for name, value in everything.items() if name in self._names}
            parameters = {name: value for name, value in everything.items() if name not in self._names}
        _check(parameters, self._service.contract.parameters)
        return Request(
            Rows([record]), id=identity or http.id, parameters=user_parameters(parameters), headers=http.headers
        )

    def _of_part(self, request: Request, part: Any) -> Any:
        """One event: an infer response, or the part with the model's name."""
        if request.wire is None:
            return self._named(part)
        columns = columns_of_part(part, self._service.contract.outputs)
        return msgspec.Raw(self._inference.encode_columns(request, columns).body)

    def _named(self, value: Any) -> Dict[str, Any]:
        service = self._service
        said: Dict[str, Any] = {"model_name": service.model_name, "model_version": service.model_version}
        if isinstance(value, dict):
            only = next(iter(value.values())) if len(value) == 1 else None
            return {**said, TEXT_OUTPUT: only} if isinstance(only, str) else {**said, **value}
        return {**said, TEXT_OUTPUT: answer_parts.said(value)}


def _fields(service: Service) -> Mapping[str, Any]:
    """Those of a record, where rows are such."""
    fields: Mapping[str, Any] = service.contract.record.get("properties", {})
    return fields


def _check(parameters: Mapping[str, Optional[Any]], told: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        if name not in told and not isinstance(value, _SCALARS):
            raise InvalidInput(f"parameters: {name} is no text, number or boolean", field=name)
