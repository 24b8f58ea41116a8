"""Infer requests over gRPC to the neutral request, and responses back; outputs are always raw bytes, as Triton's are.

Source: https://github.com/triton-inference-server/server, src/grpc; docs/protocol of the same project.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping

import numpy as np

from modelbuild_runtime.dataplane.arrays import normal
from modelbuild_runtime.errors import InvalidInput, ServerError
from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.messages import load, parse
from modelbuild_runtime.http.limits import Limits
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference import binary_tensor, grpc_request
from modelbuild_runtime.open_inference.answers import Answers
from modelbuild_runtime.open_inference.infer_response import columns_of_part
from modelbuild_runtime.open_inference.inference import Inference, make_request
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.request import Columns, Raw, Request, Response
from modelbuild_runtime.tensor import DATATYPES, Tensor

FINAL = "triton_final_response"
ASKS_FOR_FINAL = "triton_enable_empty_final_response"

_messages = load("open_inference")


class GrpcInference:
    """The methods that predict: ModelInfer, and ModelStreamInfer, each message of which is a request."""

    def __init__(self, service: Service, answers: Answers, inference: Inference) -> None:
        self._service = service
        self._answers = answers
        self._writer = inference.writer
        self._outputs = service.contract.outputs

    def decode(self, http: HttpRequest) -> Request:
        """A ModelInferRequest."""
        message = parse(_messages.ModelInferRequest, http.body, self._service.settings.max_elements)
        self._answers.check(message.model_name, message.model_version)
        tensors = grpc_request.tensors(message, self._service.model_name, self._service.settings.max_elements)
        if self._service.takes_raw:
            return Request(Raw(_fields(tensors), ""), id=message.id or http.id, headers=http.headers, wire=("", None))
        return make_request(
            http,
            Columns(tensors),
            message.id or None,
            grpc_request.parameters(message.parameters),
            grpc_request.outputs(message),
        )

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
        message = self._response(request, response)
        message.parameters[FINAL].bool_param = True
        return _sent(_messages.ModelStreamInferResponse(infer_response=message))

    def _parts(self, http: HttpRequest, request: Request, parts: Iterator[Any]) -> Iterator[bytes]:
        """One message a part. What goes wrong on the way concerns this request; the stream of the client goes on."""
        try:
            for part in parts:
                columns = columns_of_part(part, self._outputs)
                message = self._response(request, Response(1, columns))
                message.parameters[FINAL].bool_param = False
                yield _messages.ModelStreamInferResponse(infer_response=message).SerializeToString()
        except ServerError as error:
            yield stream_error(http, error).body
            return
        message = parse(_messages.ModelInferRequest, http.body, self._service.settings.max_elements)
        if message.parameters[ASKS_FOR_FINAL].bool_param:
            final = self._response(request, Response(0, {}))
            final.parameters[FINAL].bool_param = True
            yield _messages.ModelStreamInferResponse(infer_response=final).SerializeToString()

    def _response(self, request: Request, response: Response) -> Any:
        service = self._service
        identity, want = request.wire
        message = _messages.ModelInferResponse(
            model_name=service.model_name, model_version=service.model_version, id=identity or ""
        )
        if response.raw is not None:
            _add(message, "output", np.array([response.raw], object))
            return message
        columns = self._writer.columns(response)
        if want is None:
            for name, array in columns.items():
                _add(message, name, array)
        else:
            for name, array, _ in self._writer.wanted(want, columns):
                _add(message, name, array)
        return message


def stream_error(http: HttpRequest, error: ServerError) -> HttpResponse:
    """An error as an answer among others, with the id of the request that it answers."""
    try:
        identity = parse(_messages.ModelInferRequest, http.body, Limits().elements).id
    except ServerError:
        identity = ""
    answer = _messages.ModelStreamInferResponse(error_message=error.message or type(error).__name__)
    answer.infer_response.id = identity
    return HttpResponse(error.status, answer.SerializeToString(), status.CONTENT_TYPE)


def _add(message: Any, name: str, array: np.ndarray) -> None:
    array = normal(name, array)
    datatype = "BYTES" if array.dtype.kind in "OSU" else DATATYPES[array.dtype]
    message.outputs.add(name=name, datatype=datatype, shape=array.shape)
    message.raw_output_contents.append(bytes(binary_tensor.write(array)))


def _sent(message: Any) -> HttpResponse:
    return HttpResponse(200, message.SerializeToString(), status.CONTENT_TYPE)


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
