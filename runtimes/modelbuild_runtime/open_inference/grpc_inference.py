"""Infer requests over gRPC to the neutral request, and responses back; outputs are always raw bytes, as Triton's are.

Source: https://github.com/triton-inference-server/server, src/grpc; docs/protocol of the same project.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Dict, Iterable, Iterator, Mapping, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput, ServerError
from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.message_fields import begin
from modelbuild_runtime.grpc.messages import load, parse
from modelbuild_runtime.http.limits import Limits
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference import grpc_request
from modelbuild_runtime.open_inference.answers import Answers
from modelbuild_runtime.open_inference.grpc_known import KnownMessages
from modelbuild_runtime.open_inference.grpc_response import ResponseWriter
from modelbuild_runtime.open_inference.infer_response import columns_of_part
from modelbuild_runtime.open_inference.inference import Inference, make_request
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.request import Columns, Raw, Request, Response
from modelbuild_runtime.tensor import Tensor

FINAL = "triton_final_response"
_RESPONSE = 2
"""The number of ``infer_response``."""
ASKS_FOR_FINAL = "triton_enable_empty_final_response"

_messages = load("open_inference")


class GrpcInference:
    """The methods that predict: ModelInfer, and ModelStreamInfer, each message of which is a request."""

    def __init__(self, service: Service, answers: Answers, inference: Inference) -> None:
        self._service = service
        self._answers = answers
        self._writer = inference.writer
        self._outputs = service.contract.outputs
        self._known = KnownMessages(service.settings.max_elements)
        self._write = ResponseWriter(service.model_name, service.model_version).write

    def decode(self, http: HttpRequest) -> Request:
        """A ModelInferRequest."""
        known = self._known.tensors(http.body)
        if known is not None:
            return Request(Columns(known), id=http.id, headers=http.headers, wire=(None, None))
        message = parse(_messages.ModelInferRequest, http.body, self._service.settings.max_elements)
        self._answers.check(message.model_name, message.model_version)
        tensors = grpc_request.tensors(message, self._service.model_name, self._service.settings.max_elements)
        if self._service.takes_raw:
            return Request(Raw(_fields(tensors), ""), id=message.id or http.id, headers=http.headers, wire=("", None))
        request = make_request(
            http,
            Columns(tensors),
            message.id or None,
            grpc_request.parameters(message.parameters),
            grpc_request.outputs(message),
        )
        self._known.add(message, http.body, tensors)
        return request

    def encode(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """A ModelInferResponse."""
        if response.raw is not None and response.status >= 400:
            return _refused(response)
        return _sent(self._response(request, response))

    def decode_stream(self, http: HttpRequest) -> Request:
        """The same, and the answer in parts where the handler makes parts."""
        request = self.decode(http)
        request.stream = self._service.streams
        return request

    def encode_stream(self, http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """A ModelStreamInferResponse, or one a part."""
        if response.parts is not None:
            return HttpResponse(200, b"", status.CONTENT_TYPE, parts=self._parts(http, request, response.parts))
        if response.raw is not None and response.status >= 400:
            return stream_error(http, InvalidInput(response.raw.decode("utf-8", "replace")[:1000]))
        return _sent(_streamed(self._response(request, response, _final(last=True))))

    def _parts(self, http: HttpRequest, request: Request, parts: Iterator[Any]) -> Iterator[bytes]:
        """One message a part. What goes wrong on the way concerns this request; the stream of the client goes on."""
        try:
            for part in parts:
                columns = columns_of_part(part, self._outputs)
                yield _streamed(self._response(request, Response(1, columns), _final(last=False)))
        except ServerError as error:
            yield stream_error(http, error).body
            return
        message = parse(_messages.ModelInferRequest, http.body, self._service.settings.max_elements)
        if message.parameters[ASKS_FOR_FINAL].bool_param:
            yield _streamed(self._response(request, Response(0, {}), _final(last=True)))

    def _response(self, request: Request, response: Response, parameters: bytes = b"") -> bytes:
        identity, want = request.wire
        if response.raw is not None:
            return self._write(identity or "", [("output", np.array([response.raw], object))], parameters)
        columns = self._writer.columns(response)
        outputs: Iterable[Tuple[str, np.ndarray]] = columns.items()
        if want is not None:
            outputs = [(name, array) for name, array, _ in self._writer.wanted(want, columns)]
        return self._write(identity or "", outputs, parameters)


def stream_error(http: HttpRequest, error: ServerError) -> HttpResponse:
    """An error as an answer among others, with the id of the request that it answers."""
    try:
        identity = parse(_messages.ModelInferRequest, http.body, Limits().elements).id
    except ServerError:
        identity = ""
    answer = _messages.ModelStreamInferResponse(error_message=error.message or type(error).__name__)
    answer.infer_response.id = identity
    return HttpResponse(error.status, answer.SerializeToString(), status.CONTENT_TYPE)


@cache
def _final(*, last: bool) -> bytes:
    """The parameter that says whether an answer is the last one of its request."""
    message = _messages.ModelInferResponse()
    message.parameters[FINAL].bool_param = last
    return bytes(message.SerializeToString())


def _streamed(response: bytes) -> bytes:
    """A ModelStreamInferResponse around a response."""
    return begin(_RESPONSE, len(response)) + response


def _sent(message: bytes) -> HttpResponse:
    return HttpResponse(200, message, status.CONTENT_TYPE)


def _refused(response: Response) -> HttpResponse:
    """A handler has refused the request in its own words."""
    words = (response.raw or b"").decode("utf-8", "replace")
    return status.failure(response.status, status.code_of(response.status), words)


def _fields(tensors: Mapping[str, Tensor]) -> Dict[str, Any]:
    """What a handler gets that decodes bodies by itself: one body a tensor, under the tensor's name.

    Raises:
        InvalidInput: a tensor is not one piece of bytes.
    """
    found: Dict[str, Any] = {}
    for name, tensor in tensors.items():
        data = tensor.data.ravel().tolist() if isinstance(tensor.data, np.ndarray) else tensor.data
        if tensor.datatype != "BYTES" or len(data) != 1:
            raise InvalidInput(
                f"input {name!r}: this model's handler reads bodies by itself; send one element of BYTES", field=name
            )
        found[name] = data[0]
    return found
