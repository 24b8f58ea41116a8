"""The methods of inference.GRPCInferenceService: the same answers as over REST, in messages."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Tuple

from modelbuild_runtime.errors import NotFound, Unsupported
from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.messages import load, parse
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.open_inference.answers import NO_SHARED_MEMORY, Answers, fixed
from modelbuild_runtime.open_inference.grpc_inference import GrpcInference
from modelbuild_runtime.open_inference.inference import Inference
from modelbuild_runtime.protocols import Prediction, Route, Service

SERVICE = "/inference.GRPCInferenceService/"
STREAM = SERVICE + "ModelStreamInfer"

Answer = Callable[[Any], Dict[str, Any]]
"""From a request's message to the fields of its response."""

_OF_HEALTH = ("ServerLive", "ServerReady", "ModelReady")
_messages = load("open_inference")


def routes(service: Service, answers: Answers, inference: Inference) -> Iterator[Route]:
    """One route a method."""
    infer = GrpcInference(service, answers, inference)
    yield Route("GRPC", SERVICE + "ModelInfer", Prediction(infer.decode, infer.encode))
    yield Route("GRPC", STREAM, Prediction(infer.decode_stream, infer.encode_stream), many=True)
    told = _Told(service, answers)
    for name, answer in told.methods:
        yield Route("GRPC", SERVICE + name, _unary(name, answer), public=name in _OF_HEALTH)


class _Told:
    """The methods that tell."""

    def __init__(self, service: Service, answers: Answers) -> None:
        self._service = service
        self._answers = answers

    @property
    def methods(self) -> Tuple[Tuple[str, Answer], ...]:
        """By name."""
        answers = self._answers
        return (
            ("ServerLive", lambda _: {"live": self._service.live()}),
            ("ServerReady", lambda _: {"ready": self._service.ready()}),
            ("ModelReady", self._model_ready),
            ("ServerMetadata", lambda _: answers.server()),
            ("ModelMetadata", lambda asked: answers.model(asked.name, asked.version)),
            ("ModelConfig", lambda asked: {"config": answers.config(asked.name, asked.version)}),
            ("ModelStatistics", lambda asked: answers.statistics(asked.name, asked.version)),
            ("RepositoryIndex", lambda asked: {"models": answers.index(only_ready=asked.ready)}),
            ("RepositoryModelLoad", self._load),
            ("RepositoryModelUnload", self._unload),
            ("LogSettings", self._log_settings),
            ("TraceSetting", self._trace_setting),
            ("SystemSharedMemoryStatus", lambda _: {}),
            ("SystemSharedMemoryRegister", _no_shared_memory),
            ("SystemSharedMemoryUnregister", lambda _: {}),
            ("CudaSharedMemoryStatus", lambda _: {}),
            ("CudaSharedMemoryRegister", _no_shared_memory),
            ("CudaSharedMemoryUnregister", lambda _: {}),
        )

    def _model_ready(self, asked: Any) -> Dict[str, Any]:
        """Of a model that is not here, Triton says that it is not ready."""
        try:
            self._answers.check(asked.name, asked.version)
        except NotFound:
            return {"ready": False}
        return {"ready": self._service.ready()}

    def _load(self, asked: Any) -> Dict[str, Any]:
        self._answers.load(asked.model_name, asked.parameters)
        return {"model_name": asked.model_name, "isLoaded": True}

    def _unload(self, asked: Any) -> Dict[str, Any]:
        self._answers.unload(asked.model_name)
        return {}

    def _log_settings(self, asked: Any) -> Dict[str, Any]:
        if asked.settings:
            raise fixed("what is logged", "MBUILD_LOG_LEVEL")
        return {"settings": {name: _log_value(value) for name, value in self._answers.logging().items()}}

    def _trace_setting(self, asked: Any) -> Dict[str, Any]:
        if asked.settings:
            raise fixed("tracing")
        found = self._answers.trace()
        settings = {name: {"value": value if isinstance(value, list) else [value]} for name, value in found.items()}
        return {"settings": settings}


def _unary(name: str, answer: Answer) -> Callable[[HttpRequest], HttpResponse]:
    def endpoint(http: HttpRequest) -> HttpResponse:
        from google.protobuf.json_format import ParseDict

        asked = parse(getattr(_messages, f"{name}Request"), http.body)
        told = ParseDict(answer(asked), getattr(_messages, f"{name}Response")())
        return HttpResponse(200, told.SerializeToString(), status.CONTENT_TYPE)

    return endpoint


def _no_shared_memory(_asked: Any) -> Dict[str, Any]:
    raise Unsupported(NO_SHARED_MEMORY)


def _log_value(value: Any) -> Dict[str, Any]:
    kind = "bool_param" if isinstance(value, bool) else "uint32_param" if isinstance(value, int) else "string_param"
    return {kind: value}
