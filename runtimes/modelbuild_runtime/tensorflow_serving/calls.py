"""Calls of TensorFlow Serving's gRPC services: messages to requests, and responses to messages."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence

import numpy as np

from modelbuild_runtime.answers import items
from modelbuild_runtime.bodies.question import is_open
from modelbuild_runtime.errors import InvalidInput, Unsupported
from modelbuild_runtime.grpc.messages import load, parse
from modelbuild_runtime.http.message import HttpRequest, HttpResponse
from modelbuild_runtime.protocols import Service
from modelbuild_runtime.request import Columns, Request, Response
from modelbuild_runtime.tensorflow_serving import examples, results, tensor_proto
from modelbuild_runtime.tensorflow_serving.model_spec import SIGNATURE, ModelSpec
from modelbuild_runtime.tensorflow_serving.signature_def import signature_defs

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
CONTENT_TYPE = "application/grpc"

messages = load("tensorflow_serving")


class NoSignature(InvalidInput):
    """A signature to predict with is unknown, which this protocol takes for a failed precondition."""


class Predictions:
    """PredictionService, but for its metadata."""

    def __init__(self, service: Service, spec: ModelSpec) -> None:
        self._service = service
        self._spec = spec
        self._names = {spec.name for spec in service.contract.inputs}
        self._required = {spec.name for spec in service.contract.inputs if not spec.optional}
        self._outputs = {spec.name for spec in service.contract.outputs}
        self._open = is_open(service.contract)

    def predict(self, http: HttpRequest) -> Request:
        """Tensors by name."""
        message = self._parsed(messages.PredictRequest, http)
        self._check(message)
        if message.model_spec.signature_name not in ("", SIGNATURE):
            name = message.model_spec.signature_name[:100]
            raise NoSignature(f'Serving signature key "{name}" not found.', field="signature_name")
        if not self._open:
            self._check_names(message.inputs.keys())
        asked = tuple(message.output_filter)
        self._check_filter(asked)
        tensors, most = {}, self._service.settings.max_body
        for name, proto in message.inputs.items():
            tensors[name] = tensor_proto.read(name, proto, most)
            most -= np.asarray(tensors[name].data).nbytes
        return Request(Columns(tensors), id=http.id, outputs=asked, headers=http.headers)

    def predicted(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """The outputs, or those that were asked for."""
        columns = _columns(response, self._service)
        answer = messages.PredictResponse()
        for name in request.outputs or columns:
            if name not in columns:
                raise _unknown_output(name, columns)
            tensor_proto.write(name, columns[name], answer.outputs[name])
        self._fill(answer.model_spec)
        return _answered(answer)

    def classify(self, http: HttpRequest) -> Request:
        """Examples."""
        return self._examples(http, self._parsed(messages.ClassificationRequest, http))

    def classified(self, _http: HttpRequest, _request: Request, response: Response) -> HttpResponse:
        """Classes."""
        answer = messages.ClassificationResponse()
        self._fill_classes(answer.result, response)
        self._fill(answer.model_spec)
        return _answered(answer)

    def regress(self, http: HttpRequest) -> Request:
        """Examples."""
        return self._examples(http, self._parsed(messages.RegressionRequest, http))

    def regressed(self, _http: HttpRequest, _request: Request, response: Response) -> HttpResponse:
        """Numbers."""
        answer = messages.RegressionResponse()
        self._fill_numbers(answer.result, response)
        self._fill(answer.model_spec)
        return _answered(answer)

    def infer(self, http: HttpRequest) -> Request:
        """Examples that are asked for classes, numbers or both: there is one signature, which may answer either."""
        message = self._parsed(messages.MultiInferenceRequest, http)
        methods: List[str] = []
        for task in message.tasks:
            self._check_example_task(task)
            if task.method_name not in (CLASSIFY, REGRESS):
                raise Unsupported(f"Unsupported signature method_name: {task.method_name[:100]}", field="method_name")
            if task.method_name in methods:
                raise InvalidInput(f"Duplicate evaluation of signature: {SIGNATURE}", field="tasks")
            methods.append(task.method_name)
        if not methods:
            raise InvalidInput("the request has no tasks", field="tasks")
        request = self._rows(http, message.input)
        request.wire = methods
        return request

    def inferred(self, _http: HttpRequest, request: Request, response: Response) -> HttpResponse:
        """One result a task, all of one prediction."""
        answer = messages.MultiInferenceResponse()
        for method in request.wire:
            result = answer.results.add()
            self._fill(result.model_spec)
            if method == CLASSIFY:
                self._fill_classes(result.classification_result, response)
            else:
                self._fill_numbers(result.regression_result, response)
        return _answered(answer)

    def _parsed(self, kind: Any, http: HttpRequest) -> Any:
        return parse(kind, http.body, self._service.settings.max_elements)

    def _check(self, message: Any) -> None:
        version = version_of(message)
        if not version.name:
            raise InvalidInput("ModelSpec has no name specified.", field="model_spec")
        self._spec.check(*version)

    def _check_example_task(self, message: Any) -> None:
        self._check(message)
        name = message.model_spec.signature_name
        if name not in ("", SIGNATURE):
            raise InvalidInput(examples.NO_SIGNATURE.format(name[:100]), field="signature_name")

    def _check_names(self, given: Iterable[str]) -> None:
        sent = set(given)
        extra, lacking = sent - self._names, self._required - sent
        if extra or lacking:
            counts = f"{len(sent)}!={len(self._names)} len({_set(sent)}) != len({_set(self._names)})"
            raise InvalidInput(
                f"input size does not match signature: {counts}. Sent extra: {_set(extra)}. "
                f"Missing but required: {_set(lacking)}.",
                field=min(lacking or extra),
            )

    def _check_filter(self, asked: Sequence[str]) -> None:
        for name in asked:
            if self._outputs and name not in self._outputs:
                raise _unknown_output(name, self._outputs)
            if asked.count(name) > 1:
                raise InvalidInput(f"duplicate output tensor alias: {name[:100]}", field=name)

    def _examples(self, http: HttpRequest, message: Any) -> Request:
        self._check_example_task(message)
        return self._rows(http, message.input)

    def _rows(self, http: HttpRequest, given: Any) -> Request:
        found = getattr(given, given.WhichOneof("kind") or "example_list")
        if not found.examples:
            raise InvalidInput("Input is empty.", field="input")
        context = _features(found.context) if hasattr(found, "context") else {}
        rows = examples.rows([_features(one) for one in found.examples], context, self._service.contract)
        return Request(rows, id=http.id, headers=http.headers)

    def _fill(self, spec: Any) -> None:
        spec.name = self._spec.name
        spec.version.value = self._spec.version
        spec.signature_name = SIGNATURE

    def _fill_classes(self, result: Any, response: Response) -> None:
        for row in results.classes(response, self._service.contract.outputs):
            classes = result.classifications.add().classes
            for label, score in row:
                classes.add(label=label, score=score)

    def _fill_numbers(self, result: Any, response: Response) -> None:
        for value in results.numbers(response, self._service.contract.outputs).tolist():
            result.regressions.add(value=value)


class Told:
    """What the services tell of the model."""

    def __init__(self, service: Service, spec: ModelSpec) -> None:
        self._service = service
        self._spec = spec

    def metadata(self, http: HttpRequest) -> HttpResponse:
        """The signature."""
        from google.protobuf import json_format

        message = parse(messages.GetModelMetadataRequest, http.body)
        version = version_of(message)
        if not message.metadata_field:
            raise InvalidInput(
                "GetModelMetadataRequest must specify at least one metadata_field", field="metadata_field"
            )
        for field in message.metadata_field:
            if field != "signature_def":
                raise InvalidInput(f"Metadata field {field[:100]} is not supported", field="metadata_field")
        self._spec.check(*version)
        signatures = json_format.ParseDict(signature_defs(self._service.contract), messages.SignatureDefMap())
        answer = messages.GetModelMetadataResponse()
        answer.model_spec.name = self._spec.name
        answer.model_spec.version.value = self._spec.version
        answer.metadata["signature_def"].type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
        answer.metadata["signature_def"].value = signatures.SerializeToString()
        return _answered(answer)

    def status(self, http: HttpRequest) -> HttpResponse:
        """The states of the model's versions."""
        message = parse(messages.GetModelStatusRequest, http.body)
        answer = messages.GetModelStatusResponse()
        for state in self._spec.status(*version_of(message))["model_version_status"]:
            told = answer.model_version_status.add(version=int(state["version"]))
            told.state = messages.ModelVersionStatus.State.Value(state["state"])
            told.status.error_code = 0
        return _answered(answer)

    def reload(self, http: HttpRequest) -> HttpResponse:
        """Refused: an image has its one model."""
        parse(messages.ReloadConfigRequest, http.body)
        raise Unsupported("the models of this server are in its image, and cannot be configured anew")


class Version(NamedTuple):
    """What a message says of the model that it is for."""

    name: str
    version: Any
    label: str


def version_of(message: Any) -> Version:
    """The model and its version.

    Raises:
        InvalidInput: the message says nothing of them.
    """
    if not message.HasField("model_spec"):
        raise InvalidInput("Missing ModelSpec", field="model_spec")
    spec = message.model_spec
    return Version(spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label)


def _answered(message: Any) -> HttpResponse:
    return HttpResponse(200, message.SerializeToString(), CONTENT_TYPE)


def _columns(response: Response, service: Service) -> Mapping[str, np.ndarray]:
    if response.rows is not None:
        return items.to_columns(response.rows, service.contract.outputs)
    return response.columns or {}


def _features(example: Any) -> Dict[str, List[Any]]:
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = list(getattr(feature, kind).value) if kind else []
    return found


def _unknown_output(name: str, known: Iterable[str]) -> InvalidInput:
    what = f"output tensor alias not found in signature: {name[:100]}"
    return InvalidInput(f"{what} Outputs expected to be in the set {_set(known)}.", field=name)


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
