"""TorchServe's gRPC service: messages to requests, and responses to messages."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Mapping

from modelbuild_runtime import openapi
from modelbuild_runtime.answers import parts
from modelbuild_runtime.answers.answer import AnswerWriter
from modelbuild_runtime.bodies.body import BodyReader
from modelbuild_runtime.bodies.form_body import Part
from modelbuild_runtime.bodies.question import only_input
from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.grpc.messages import load, parse
from modelbuild_runtime.grpc.status import CONTENT_TYPE, code_of
from modelbuild_runtime.http.limits import Limits, admit
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.request import Raw, Request, Response

SEQUENCE = b"ts_request_sequence_id"

messages = load("torchserve")

Check = Callable[[Mapping[str, str]], None]
"""Whether these are the model and the version that are served."""


class Calls:
    """Predictions by gRPC. A request's inputs are the fields that a form has over HTTP."""

    def __init__(self, service: Service, check: Check) -> None:
        self._service = service
        self._check = check
        self._limits = Limits(service.settings.max_body, service.settings.max_elements)
        self._names = {spec.name for spec in service.contract.inputs}
        single = only_input(service.contract)
        self._takes_bytes = single is not None and single.datatype == "BYTES"
        self._reader = BodyReader(service.contract, openapi.offered(service), raw=False)
        self._writer = AnswerWriter(service.contract)

    def ping(self, _http: HttpRequest) -> HttpResponse:
        """As told over HTTP: in JSON."""
        health = "Healthy" if self._service.ready() else "Unhealthy"
        return _answered(messages.TorchServeHealthResponse(health=f'{{\n  "status": "{health}"\n}}\n'))

    def read(self, http: HttpRequest) -> Request:
        """One message, whose answer is one message."""
        message = parse(messages.PredictionsRequest, http.body, self._limits.elements)
        if not message.model_name:
            raise InvalidInput("Parameter model_name is required.", field="model_name")
        named = {"model": message.model_name, "version": message.model_version}
        self._check({key: value for key, value in named.items() if value})
        fields = dict(message.input)
        if not self._service.takes_raw:
            return self._natural(http, fields)
        headers = dict(http.headers)
        headers[b"content-type"] = b""  # gRPC's own; the fields have none
        if message.sequence_id:
            headers[SEQUENCE] = message.sequence_id.encode()
        return Request(Raw(fields, "", dict.fromkeys(fields, "")), id=http.id, headers=headers)

    def read_to_stream(self, http: HttpRequest) -> Request:
        """The same, whose answer may come in parts, one message each."""
        request = self.read(http)
        request.stream = self._service.streams
        return request

    def write(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """What HTTP has as a body."""
        if response.parts is not None:
            return HttpResponse(200, b"", CONTENT_TYPE, parts=_each(parts.encode(response.parts, "")))
        body = self._writer.write(request.wire, response).body
        return _answered(messages.PredictionResponse(prediction=body))

    def _natural(self, http: HttpRequest, fields: Dict[str, bytes]) -> Request:
        """Inputs by name are a record; one of another name ("data") is a body: JSON, or what a model of bytes takes."""
        if len(fields) == 1:
            ((name, value),) = fields.items()
            if name not in self._names:
                is_json = not self._takes_bytes or value.lstrip()[:1] in (b"[", b"{")
                kind = b"application/json" if is_json else b"application/octet-stream"
                admit(value, kind, self._limits)
                asked = HttpRequest(http.method, http.path, "", {b"content-type": kind}, value, {}, http.id)
                return self._reader.read(asked)
        return self._reader.read_parts([_part(name, value) for name, value in fields.items()], http)


def told_in_stream(status: int, message: str) -> HttpResponse:
    """An error that is one answer of a stream, and does not end it."""
    answer = messages.PredictionResponse()
    answer.status.code = code_of(status)
    answer.status.message = message
    return HttpResponse(status, answer.SerializeToString(), CONTENT_TYPE)


def _part(name: str, value: bytes) -> Part:
    """Text as in a form's field, bytes as in its file."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return Part(name, value, filename=name)
    return Part(name, value)


def _each(made: Iterator[bytes]) -> Iterator[bytes]:
    for part in made:
        yield messages.PredictionResponse(prediction=part).SerializeToString()


def _answered(message: Any) -> HttpResponse:
    return HttpResponse(200, message.SerializeToString(), CONTENT_TYPE)
