"""Infer requests over HTTP to the neutral request, and responses back."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.http.limits import SMALL, Limits, admit
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference import infer_request
from modelbuild_runtime.open_inference.exact_request import ExactRequests
from modelbuild_runtime.open_inference.infer_request import InferRequest, Output
from modelbuild_runtime.open_inference.infer_response import InferWriter, Wanted, wanted
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.request import Columns, Raw, Request, Response

HEADER_LENGTH = b"inference-header-content-length"
_MOST_COPIED = 4 << 20
"""Bytes up to which copying them, where arrays may not lie over them, keeps the loop for less than a millisecond."""

Wire = Tuple[Optional[str], Optional[Wanted]]
"""The id that the client gave, and how it wants its outputs."""


class Inference:
    """The route that predicts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = Limits(service.settings.max_body, service.settings.max_elements)
        self._exact = ExactRequests(service.contract)
        self.writer = InferWriter(service.contract, service.model_name, service.model_version)

    def decode(self, http: HttpRequest) -> Request:
        """JSON, JSON with raw tensors after it, or one raw tensor."""
        service = self._service
        headers = http.headers
        if service.takes_raw:
            return untouched(http)
        length = headers.get(HEADER_LENGTH)
        found = self._exact.read(http) if length is None else self._exact.read_raw(http, length)
        if found is not None:
            return found
        if length is None:
            if len(http.body) > SMALL:
                admit(http.body, b"", self._limits)
            return self.request(http, infer_request.read(http.body))
        text, raw = infer_request.split(http.body, length)
        if not text:
            tensors = infer_request.whole(http.body, service.contract, service.model_name)
            return Request(Columns(tensors), id=http.id, headers=headers, wire=(None, Wanted(binary=True)))
        admit(text, b"", self._limits)
        request = self.request(http, infer_request.read(text), raw)
        self._exact.remember(text, request)
        return request

    def light(self, http: HttpRequest) -> bool:
        """Whether all but a little of a body are numbers that arrays are laid over. Texts are read one by one, whatever
        their datatype is written like.
        """
        length = http.headers.get(HEADER_LENGTH, b"")
        if self._service.takes_raw or not length.isdigit() or len(http.body) > _MOST_COPIED:
            return False
        text = http.body[: int(length[:20])]
        return 0 < len(text) <= SMALL and b"BYTES" not in text and b"\\" not in text

    def encode(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """JSON, with raw tensors after it where they are wanted."""
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        wire: Wire = request.wire
        return self.writer.write(wire[0], wire[1], response)

    def encode_columns(self, request: Request, columns: Dict[str, np.ndarray]) -> HttpResponse:
        """One of several answers to a request."""
        return self.encode(HttpRequest("", "", "", {}, b"", {}), request, Response(1, columns))

    def request(self, http: HttpRequest, question: InferRequest, raw: Optional[memoryview] = None) -> Request:
        """The neutral request of one that was read; ``raw`` are the bytes after it."""
        name, most = self._service.model_name, self._limits.elements
        payload = Columns(infer_request.tensors(question.inputs, raw, name, most))
        return make_request(http, payload, question.id, question.parameters, question.outputs)


def make_request(
    http: HttpRequest,
    payload: Columns,
    identity: Optional[str],
    parameters: Optional[Mapping[str, Any]],
    outputs: Optional[Sequence[Output]],
) -> Request:
    """The neutral request, whatever the tensors came in.

    Raises:
        InvalidInput: a parameter has no meaning.
    """
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


def untouched(http: HttpRequest) -> Request:
    """A body for a handler that reads bodies by itself."""
    content_type = http.headers.get(b"content-type", b"").decode("latin-1")
    return Request(Raw({"body": bytes(http.body)}, content_type), id=http.id, headers=http.headers)


def _deadline(received: float, parameters: Optional[Mapping[str, Any]]) -> float:
    """Triton's timeout, in microseconds from the request's arrival."""
    timeout = (parameters or {}).get("timeout", 0)
    if type(timeout) is not int or not 0 <= timeout < 1 << 63:
        raise InvalidInput("parameters: timeout must be a number of microseconds", field="timeout")
    return received + timeout / 1e6 if timeout else 0.0
