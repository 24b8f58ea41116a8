"""TensorFlow Serving's gRPC services: what they answer, and with which codes they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.calls import Caller, code, words
from contract.models import MODELS
from contract.wires import Server, server
from modelbuild_runtime.grpc import status
from modelbuild_runtime.grpc.messages import load

MESSAGES = load("tensorflow_serving")
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def call(method: str, message, model: str = "iris"):
    service = "ModelService" if method in ("GetModelStatus", "HandleReloadConfigRequest") else "PredictionService"
    sent = message if isinstance(message, bytes) else message.SerializeToString()
    return Caller(server(model)).call(f"tensorflow.serving.{service}/{method}", sent)


def predict(model: str = "iris", asked: tuple[str, ...] = (), **inputs):
    message = MESSAGES.PredictRequest(output_filter=asked)
    message.model_spec.name = model
    for name, value in inputs.items():
        fill(message.inputs[name], np.asarray(value))
    return message


def fill(proto, array: np.ndarray) -> None:
    numbers = {"f": (1, "float_val"), "i": (9, "int64_val"), "O": (7, "string_val"), "b": (10, "bool_val")}
    proto.dtype, field = numbers[array.dtype.kind]
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(array.ravel().tolist())


def examples(kind, model: str = "iris", *rows, context=None):
    message = kind()
    message.model_spec.name = model
    found = message.input.example_list if context is None else message.input.example_list_with_context
    for row in rows:
        features(found.examples.add(), row)
    if context is not None:
        features(found.context, context)
    return message


def features(example, row) -> None:
    for name, value in row.items():
        feature = example.features.feature[name]
        kind = {float: "float_list", int: "int64_list", bytes: "bytes_list"}[type(value[0])]
        getattr(feature, kind).value.extend(value)


def test_predict():
    response = call("Predict", predict(x=[[1.0, 2, 3, 4], [9, 2, 3, 4]]))
    answer = MESSAGES.PredictResponse.FromString(response.body)
    assert code(response) == status.OK
    assert answer.outputs["label"].string_val == [b"virginica", b"setosa"]
    assert list(answer.outputs["probabilities"].float_val) == [0.125, 0.125, 0.75, 0.75, 0.125, 0.125]
    assert [dim.size for dim in answer.outputs["probabilities"].tensor_shape.dim] == [2, 3]
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("iris", 1, "serving_default")


def test_predict_what_is_asked_for():
    answer = MESSAGES.PredictResponse.FromString(call("Predict", predict(asked=("label",), x=[[1.0] * 4])).body)
    assert list(answer.outputs) == ["label"]


def test_predict_several_inputs_and_none_of_an_optional_one():
    message = predict("loan", age=[40], income=[100.0], job=np.array([b"cook"], object))
    answer = MESSAGES.PredictResponse.FromString(call("Predict", message, "loan").body)
    assert list(answer.outputs["score"].double_val) == [2.5]


def test_predict_with_what_a_handler_makes_of_rows():
    message = predict("items", x=[1.5, -1.0])
    answer = MESSAGES.PredictResponse.FromString(call("Predict", message, "items").body)
    assert answer.outputs["text"].string_val == [b"1.5", b"-1.0"]
    response = call("Predict", predict("items", asked=("other",), x=[1.5]), "items")
    assert code(response) == status.INVALID_ARGUMENT


def changed(message, **spec):
    for name, value in spec.items():
        if name == "version":
            message.model_spec.version.value = value
        else:
            setattr(message.model_spec, name, value)
    return message


ROW = [[1.0, 2, 3, 4]]


@pytest.mark.parametrize("spec", [{"version": 1}, {"version_label": "stable"}, {"signature_name": "serving_default"}])
def test_predict_with_a_version_a_label_or_the_signature(spec):
    assert code(call("Predict", changed(predict(x=ROW), **spec))) == status.OK


@pytest.mark.parametrize(
    "message, expected, said",
    [
        (b"\xff", status.INVALID_ARGUMENT, "no PredictRequest"),
        (MESSAGES.PredictRequest(), status.INVALID_ARGUMENT, "Missing ModelSpec"),
        (predict("", x=ROW), status.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (predict("other", x=ROW), status.NOT_FOUND, "Servable not found for request: Latest(other)"),
        (changed(predict(x=ROW), version=9), status.NOT_FOUND, "Specific(iris, 9)"),
        (
            changed(predict(x=ROW), version_label="canary"),
            status.INVALID_ARGUMENT,
            "Unrecognized servable version label: canary",
        ),
        (
            changed(predict(x=ROW), signature_name="other"),
            status.FAILED_PRECONDITION,
            'Serving signature key "other" not found.',
        ),
        (
            predict(),
            status.INVALID_ARGUMENT,
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
        ),
        (
            predict(x=ROW, y=ROW),
            status.INVALID_ARGUMENT,
            "2!=1 len({x,y}) != len({x}). Sent extra: {y}. Missing but required: {}.",
        ),
        (
            predict(asked=("z",), x=ROW),
            status.INVALID_ARGUMENT,
            "output tensor alias not found in signature: z Outputs expected to be in the set {label,probabilities}.",
        ),
        (predict(asked=("label", "label"), x=ROW), status.INVALID_ARGUMENT, "duplicate output tensor alias: label"),
        (predict(x=[[1.0]]), status.INVALID_ARGUMENT, "shape must be [-1, 4], got [1, 1]"),
        (predict(x=[[1, 2, 3, 4]]), status.INVALID_ARGUMENT, "datatype must be FP32, got INT64"),
    ],
)
def test_predict_refuses(message, expected, said):
    response = call("Predict", message)
    assert said in words(response)
    assert code(response) == expected
    assert response.body == b""


def test_classify():
    message = examples(MESSAGES.ClassificationRequest, "iris", {"x": [1.0, 9, 3, 4]}, {"x": [9, 2, 3, 4]})
    answer = MESSAGES.ClassificationResponse.FromString(call("Classify", message).body)
    first, second = answer.result.classifications
    assert [(one.label, one.score) for one in first.classes] == [
        ("setosa", 0.125),
        ("versicolor", 0.75),
        ("virginica", 0.125),
    ]
    assert second.classes[0].score == 0.75
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (1, "serving_default")


def test_regress_with_a_context():
    context = {"job": [b"cook"], "age": [50], "married": [1]}
    rows = ({"income": [100.0]}, {"income": [50.0], "age": [25]})
    message = examples(MESSAGES.RegressionRequest, "loan", *rows, context=context)
    answer = MESSAGES.RegressionResponse.FromString(call("Regress", message, "loan").body)
    assert [one.value for one in answer.result.regressions] == [2.0, 2.0]


@pytest.mark.parametrize(
    "method, message, expected, said",
    [
        ("Classify", examples(MESSAGES.ClassificationRequest), status.INVALID_ARGUMENT, "Input is empty."),
        (
            "Classify",
            examples(MESSAGES.ClassificationRequest, "iris", {"y": [1.0]}),
            status.INVALID_ARGUMENT,
            "Feature: x (data type: float) is required but could not be found.",
        ),
        (
            "Classify",
            changed(examples(MESSAGES.ClassificationRequest, "iris", {"x": [1.0]}), signature_name="other"),
            status.INVALID_ARGUMENT,
            "No signature was found with the name: other",
        ),
        (
            "Regress",
            examples(MESSAGES.RegressionRequest, "iris", {"x": [1.0] * 4}),
            status.INVALID_ARGUMENT,
            "Expected one output Tensor",
        ),
        ("Regress", b"\x0a\xff", status.INVALID_ARGUMENT, "no RegressionRequest"),
        ("Classify", MESSAGES.ClassificationRequest(), status.INVALID_ARGUMENT, "Missing ModelSpec"),
    ],
)
def test_examples_are_refused(method, message, expected, said):
    response = call(method, message)
    assert said in words(response)
    assert code(response) == expected


def several(*methods: str, model: str = "iris"):
    message = MESSAGES.MultiInferenceRequest()
    features(message.input.example_list.examples.add(), {"x": [1.0, 2, 3, 4]})
    for method in methods:
        message.tasks.add(method_name=method).model_spec.name = model
    return message


def test_classes_and_numbers_of_one_prediction():
    answer = MESSAGES.MultiInferenceResponse.FromString(call("MultiInference", several(CLASSIFY)).body)
    (result,) = answer.results
    assert result.WhichOneof("result") == "classification_result"
    assert len(result.classification_result.classifications[0].classes) == 3
    assert result.model_spec.name == "iris"


@pytest.mark.parametrize(
    "message, expected, said",
    [
        (several(), status.INVALID_ARGUMENT, "no tasks"),
        (several(CLASSIFY, CLASSIFY), status.INVALID_ARGUMENT, "Duplicate evaluation of signature: serving_default"),
        (several("other"), status.UNIMPLEMENTED, "Unsupported signature method_name: other"),
        (several(CLASSIFY, model="other"), status.NOT_FOUND, "Latest(other)"),
        (several(CLASSIFY, REGRESS), status.INVALID_ARGUMENT, "Expected one output Tensor"),
    ],
)
def test_several_are_refused(message, expected, said):
    response = call("MultiInference", message)
    assert said in words(response)
    assert code(response) == expected


def metadata(*fields: str, model: str = "iris"):
    message = MESSAGES.GetModelMetadataRequest(metadata_field=fields)
    message.model_spec.name = model
    return message


def test_metadata():
    answer = MESSAGES.GetModelMetadataResponse.FromString(call("GetModelMetadata", metadata("signature_def")).body)
    packed = answer.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signature = MESSAGES.SignatureDefMap.FromString(packed.value).signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert (signature.inputs["x"].dtype, signature.outputs["label"].dtype) == (1, 7)
    assert [dim.size for dim in signature.inputs["x"].tensor_shape.dim] == [-1, 4]
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (1, "")


@pytest.mark.parametrize(
    "message, expected, said",
    [
        (metadata(), status.INVALID_ARGUMENT, "must specify at least one metadata_field"),
        (metadata("other"), status.INVALID_ARGUMENT, "Metadata field other is not supported"),
        (metadata("signature_def", model="other"), status.NOT_FOUND, "Servable not found"),
        (MESSAGES.GetModelMetadataRequest(), status.INVALID_ARGUMENT, "Missing ModelSpec"),
    ],
)
def test_metadata_is_refused(message, expected, said):
    response = call("GetModelMetadata", message)
    assert said in words(response)
    assert code(response) == expected


def test_status():
    message = changed(MESSAGES.GetModelStatusRequest(), name="iris")
    answer = MESSAGES.GetModelStatusResponse.FromString(call("GetModelStatus", message).body)
    (version,) = answer.model_version_status
    assert (version.version, version.state, version.status.error_code) == (1, 30, 0)
    waiting = Caller(Server("iris", ready=False)).call(
        "tensorflow.serving.ModelService/GetModelStatus", message.SerializeToString()
    )
    (version,) = MESSAGES.GetModelStatusResponse.FromString(waiting.body).model_version_status
    assert version.state == 20
    assert code(call("GetModelStatus", changed(message, version=4))) == status.NOT_FOUND
    assert code(call("GetModelStatus", MESSAGES.GetModelStatusRequest())) == status.INVALID_ARGUMENT


def test_models_are_not_configured_anew():
    response = call("HandleReloadConfigRequest", MESSAGES.ReloadConfigRequest(config=b"\x0a\x00"))
    assert code(response) == status.UNIMPLEMENTED


@pytest.mark.parametrize("method", ["Predict", "Classify", "Regress", "MultiInference"])
def test_a_handler_that_decodes_by_itself_is_asked_in_other_ways(method):
    messages = {
        "Predict": predict("raw", x=ROW),
        "Classify": examples(MESSAGES.ClassificationRequest, "raw", {"x": [1.0]}),
        "Regress": examples(MESSAGES.RegressionRequest, "raw", {"x": [1.0]}),
        "MultiInference": several(CLASSIFY, model="raw"),
    }
    response = call(method, messages[method], "raw")
    assert code(response) == status.INVALID_ARGUMENT
    assert "reads bodies by itself" in words(response)


def test_what_the_model_s_code_says_reaches_no_client():
    broken = Server("iris")
    broken.pipeline.run = lambda inputs, parameters=None: 1 / 0
    response = Caller(broken).call("tensorflow.serving.PredictionService/Predict", predict(x=ROW).SerializeToString())
    assert code(response) == status.INTERNAL
    assert "division" not in words(response)


SEEDS = [
    predict(x=ROW).SerializeToString(),
    predict("loan", age=[40], income=[100.0], job=np.array([b"cook"], object)).SerializeToString(),
    examples(MESSAGES.ClassificationRequest, "iris", {"x": [1.0, 2, 3, 4]}, context={"y": [1]}).SerializeToString(),
    several(CLASSIFY, REGRESS).SerializeToString(),
    metadata("signature_def").SerializeToString(),
]
METHODS = ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata", "GetModelStatus")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message that was right once."""
    body = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        body[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(body)


@pytest.mark.parametrize("model", sorted(MODELS))
@given(method=st.sampled_from(METHODS), body=damaged() | st.binary(max_size=40))
def test_no_message_makes_the_server_fail(model, method, body):
    refused = (status.INVALID_ARGUMENT, status.NOT_FOUND, status.FAILED_PRECONDITION)
    more = (status.UNIMPLEMENTED, status.RESOURCE_EXHAUSTED)
    assert code(call(method, body, model)) in (status.OK, *refused, *more)
