"""MLeap's serving (github.com/combust/mleap): leap frames in and out, as its Spring Boot server (0.25) and the older
akka-http one (until 0.12) take them.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Dict, NamedTuple, Optional

import msgspec

from modelbuild_runtime.bodies import base64_text, json_body
from modelbuild_runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotAcceptable,
    NotFound,
    PredictionFailed,
    ServerError,
    UnsupportedMediaType,
)
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.limits import Limits, admit
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.leap_frame import bundle, envelope, formats, operations
from modelbuild_runtime.leap_frame.envelope import OUT_OF_BAND, Envelope
from modelbuild_runtime.leap_frame.formats import BINARY, JSON, TYPES
from modelbuild_runtime.leap_frame.frame import Frame
from modelbuild_runtime.leap_frame.tensors import select, to_tensors, with_outputs
from modelbuild_runtime.protocols import Prediction, Protocol, Route, Service, is_multi_model
from modelbuild_runtime.request import Columns, Raw, Request, Response

CLAIMS = ("/transform", "/models", "/model", "/actuator")

IN_BAND = (InvalidInput, NotFound, PredictionFailed, DeadlineExceeded)
"""What fails in a transform is told in a body with status 200, as the newer server does."""

_MILLISECONDS = re.compile(rb"\d{1,12}")


def protocol(service: Service) -> Protocol:
    """Both servers' routes. What would load or unload a model only says that the packaged one is there to stay."""
    transform, models, transformed = _Transform(service), _Models(service), operations.transform(service)
    frames = Prediction(transform.decode, transform.encode)
    enveloped = Prediction(transform.decode_envelope, transform.encode_envelope)
    routes = [
        Route("POST", "/transform", frames, operation=transformed),
        Route("POST", "/models/transform", enveloped, operation=operations.enveloped(service)),
        Route("POST", "/models/{model}/transform", frames, operation=transformed),
        Route("GET", "/models/{model}/meta", models.meta, operation=operations.META),
        Route("POST", "/models", models.load, when=_loads, operation=operations.load(service)),
        Route("GET", "/model", models.schema, operation=operations.WHOLE),
        Route("PUT", "/model", models.load_file, operation=operations.load_file(service)),
        Route("DELETE", "/model", models.unload, operation=operations.UNLOAD),
        Route("GET", "/actuator/health", models.health, operation=operations.HEALTH, public=True),
    ]
    if not is_multi_model(service.environment):  # these routes are SageMaker's then
        routes += [
            Route("GET", "/models/{model}", models.tell, operation=operations.MODEL),
            Route("DELETE", "/models/{model}", models.unload, operation=operations.UNLOAD),
        ]
    return Protocol("mleap", "MLeap's serving", tuple(routes), _error)


class _Wire(NamedTuple):
    """The frame that was sent, None where a handler reads it, and what the answer is to be like."""

    frame: Optional[Frame]
    media: str
    asked: Envelope = Envelope()


class _Transform:
    """The routes that predict."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = Limits(service.settings.max_body, service.settings.max_elements)

    def decode(self, http: HttpRequest) -> Request:
        """A frame, in the format of its media type."""
        deadline = _deadline(http)
        self._check(http.params.get("model", self._service.model_name))
        name = media_type.parse(http.headers.get(b"content-type", b"")).name
        if name not in TYPES:
            if name and http.body[:1] != b"{":  # curl calls JSON a form
                raise UnsupportedMediaType(f"frames are read as {', '.join(TYPES)}, not as {name}", field=OUT_OF_BAND)
            name = media_type.JSON
        accept = http.headers.get(b"accept", b"")
        chosen = media_type.choose(accept, (name, *(other for other in TYPES if other != name)))
        if chosen is None:
            raise NotAcceptable(f"frames are given as {', '.join(TYPES)}", field=OUT_OF_BAND)
        return self._request(http, http.body, TYPES[name], _Wire(None, chosen.name), deadline)

    def encode(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The frame with the outputs after its columns."""
        if response.raw is not None:
            return HttpResponse(response.status, response.raw, response.content_type, response.headers)
        wire: _Wire = request.wire
        return HttpResponse(200, formats.write(self._answered(wire, response), TYPES[wire.media]), wire.media)

    def decode_envelope(self, http: HttpRequest) -> Request:
        """A frame as base64, and what is to be done with it."""
        deadline, asked = _deadline(http), envelope.read(http.body)
        self._check(asked.model)
        if asked.format not in (JSON, BINARY):
            raise InvalidInput(f"frames are read in the formats {JSON} and {BINARY}", field="format")
        body = base64_text.decode(asked.frame, "the frame", "frame")
        admit(body, b"", self._limits)
        return self._request(http, body, asked.format, _Wire(None, media_type.JSON, asked), deadline)

    def encode_envelope(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The frame as base64, and that all is well."""
        wire: _Wire = request.wire
        asked, body = wire.asked, response.raw
        if body is None:
            frame = self._answered(wire, response)
            chosen = select(frame, asked.names, strict=asked.strict) if asked.names else frame
            body = formats.write(chosen, asked.format)
        return _json(200, envelope.answer(asked, frame=base64.b64encode(body).decode()))

    def _check(self, name: str) -> None:
        if name != self._service.model_name:
            raise NotFound(f"there is no model {name[:100]!r}", field="model")

    def _request(self, http: HttpRequest, body: Any, form: str, wire: _Wire, deadline: float) -> Request:
        service = self._service
        if service.takes_raw:
            content_type = next(name for name, known in TYPES.items() if known == form)
            raw = Raw({"body": bytes(body)}, content_type)
            return Request(raw, id=http.id, headers=http.headers, deadline=deadline, wire=wire)
        most = service.settings.max_elements
        frame = formats.read(body, form, most)
        payload = Columns(to_tensors(frame, service.contract, most))
        return Request(payload, id=http.id, headers=http.headers, deadline=deadline, wire=wire._replace(frame=frame))

    def _answered(self, wire: _Wire, response: Response) -> Frame:
        return with_outputs(wire.frame or Frame([], response.count), response, self._service.contract)


class _Models:
    """The routes about models, of which there is one."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._model = bundle.model(service.model_name, service.model_version)

    def tell(self, http: HttpRequest) -> HttpResponse:
        """The model, as loaded."""
        self._check(http)
        return _json(200, self._model)

    def meta(self, http: HttpRequest) -> HttpResponse:
        """Its schemas."""
        self._check(http)
        service = self._service
        return _json(200, bundle.meta(service.model_name, service.model_version, service.contract))

    def schema(self, _http: HttpRequest) -> HttpResponse:
        """The schema of a frame that went through it."""
        return _json(200, bundle.whole_schema(self._service.contract))

    def load(self, http: HttpRequest) -> HttpResponse:
        """The model that is served counts as loaded, unless it is to be replaced."""
        body = json_body.read(http.body)
        if body["modelName"] != self._service.model_name or body.get("force", False) is not False:
            raise InvalidInput(f"only {self._service.model_name!r} is served here, and nothing can be loaded")
        return _json(202, self._model)

    def load_file(self, http: HttpRequest) -> HttpResponse:
        """A bundle's file that is called like the model counts as loaded."""
        body = json_body.read(http.body)
        path = body.get("path") if isinstance(body, dict) else None
        if not isinstance(path, str):
            raise InvalidInput("the body must be an object with a path")
        if path.rpartition("/")[2].rpartition(".")[0] != self._service.model_name:
            raise InvalidInput(f"only {self._service.model_name!r} is served here, and nothing can be loaded")
        return _json(200, {})

    def unload(self, http: HttpRequest) -> HttpResponse:
        """The model stays where it is."""
        self._check(http)
        return _json(403, _failed("the packaged model cannot be unloaded"))

    def health(self, _http: HttpRequest) -> HttpResponse:
        """Spring's word for ready."""
        ready = self._service.ready()
        return _json(200 if ready else 503, {"status": "UP" if ready else "DOWN"})

    def _check(self, http: HttpRequest) -> None:
        name = http.params.get("model", self._service.model_name)
        if name != self._service.model_name:
            raise NotFound(f"there is no model {name[:100]!r}", field="model")


def _error(http: HttpRequest, error: ServerError) -> HttpResponse:
    transforms = http.path.startswith("/models/") and http.path.rstrip("/").endswith("/transform")
    if not transforms or not isinstance(error, IN_BAND) or error.field == OUT_OF_BAND:
        return _json(error.status, _failed(error.message))
    if "model" in http.params:
        return _json(200, _failed(error.message))
    try:
        return _json(200, envelope.answer(envelope.read(http.body), error=error.message))
    except ServerError:  # the body was not read yet
        return _json(error.status, _failed(error.message))


def _failed(message: str) -> Dict[str, Any]:
    return {"status": "STATUS_ERROR", "error": message, "backtrace": ""}


def _json(status: int, body: Any) -> HttpResponse:
    return HttpResponse(status, msgspec.json.encode(body))


def _deadline(http: HttpRequest) -> float:
    """The header counts milliseconds from the request's arrival."""
    text = http.headers.get(b"timeout")
    if text is None:
        return 0.0
    if not _MILLISECONDS.fullmatch(text.strip()):
        raise InvalidInput("the header timeout must be a number of milliseconds", field=OUT_OF_BAND)
    return http.received + int(text) / 1000


def _loads(http: HttpRequest) -> bool:
    """Whether a body is MLeap's way to load a model: other servers have this route too, with other names in it."""
    try:
        body = msgspec.json.decode(http.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(body, dict) and "modelName" in body and "uri" in body
